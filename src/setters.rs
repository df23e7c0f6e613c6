//! The idiom of options: public fields, and setters of the same names that consume and return.
#![forbid(unsafe_code)]

/// Writes setters, to be used inside of an `impl`. Each line is a kind, a field and a type:
/// `set` takes the value, `option` the value or an `Option` of it, `list` anything that can be
/// iterated, `strings` a list of texts. `in Type as field:` at the beginning writes those of a group
/// of options that is a field.
macro_rules! setters {
    (in $group:ident as $field:ident: $($kind:ident $name:ident $(: $type:ty)?;)*) => {
        $($crate::setters::setters!(@$kind
            [concat!("Sets [`", stringify!($name), "`](", stringify!($group), "#structfield.",
                stringify!($name), ").")]
            [$field . $name] $name $(: $type)?);)*
    };
    (@set [$doc:expr] [$($path:tt)+] $name:ident: $type:ty) => {
        #[doc = $doc]
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$($path)+ = $name;
            self
        }
    };
    (@option [$doc:expr] [$($path:tt)+] $name:ident: $type:ty) => {
        #[doc = $doc]
        #[must_use]
        pub fn $name(mut self, $name: impl Into<Option<$type>>) -> Self {
            self.$($path)+ = $name.into();
            self
        }
    };
    (@list [$doc:expr] [$($path:tt)+] $name:ident: $type:ty) => {
        #[doc = $doc]
        #[must_use]
        pub fn $name(mut self, $name: impl IntoIterator<Item = $type>) -> Self {
            self.$($path)+ = $name.into_iter().collect();
            self
        }
    };
    (@strings [$doc:expr] [$($path:tt)+] $name:ident) => {
        #[doc = $doc]
        #[must_use]
        pub fn $name(mut self, $name: impl IntoIterator<Item = impl Into<String>>) -> Self {
            self.$($path)+ = $name.into_iter().map(Into::into).collect();
            self
        }
    };
    ($($kind:ident $name:ident $(: $type:ty)?;)*) => {
        $($crate::setters::setters!(@$kind
            [concat!("Sets [`", stringify!($name), "`](Self#structfield.", stringify!($name), ").")]
            [$name] $name $(: $type)?);)*
    };
}

pub(crate) use setters;
