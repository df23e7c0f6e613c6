//! Who may ask: requests that a page of another site makes the browser send are refused, and so
//! are those that reach this server under a name that is not its own.
//!
//! A web page cannot choose the `Host` and `Origin` that the browser sends. A foreign page is
//! seen by its origin. A page whose name was made to resolve to this machine (DNS rebinding) has
//! an equal origin, but brings a name: only addresses, `localhost` and names that the server was
//! told are accepted. Programs other than browsers can send anything; this does not authenticate.

use axum::http::{HeaderMap, StatusCode, header};

use crate::error::{ApiError, Result};

/// Checks the headers of a request. `names` are accepted beside addresses and `localhost`.
///
/// # Errors
/// 400 without a host, 403 for a foreign host or origin.
pub fn check(headers: &HeaderMap, names: &[String]) -> Result<()> {
    let host = only(headers, header::HOST.as_str())?.ok_or_else(|| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "no_host",
            "the request names no host",
        )
    })?;
    if !accepted(name(host), names) {
        return Err(forbidden(
            "foreign_host",
            "this name is not one of the server's; --allow-host accepts it",
        ));
    }
    if let Some(origin) = only(headers, header::ORIGIN.as_str())? {
        let of = origin.split_once("://").map(|(_, of)| of);
        if !of.is_some_and(|of| of.eq_ignore_ascii_case(host)) {
            return Err(forbidden(
                "foreign_origin",
                "pages of other sites may not use this server",
            ));
        }
    }
    // Sent by browsers only, for requests without an origin, too.
    if only(headers, "sec-fetch-site")?.is_some_and(|site| site == "cross-site") {
        // Following a link to the page is no harm.
        if only(headers, "sec-fetch-mode")?.is_none_or(|mode| mode != "navigate") {
            return Err(forbidden(
                "foreign_origin",
                "pages of other sites may not use this server",
            ));
        }
    }
    Ok(())
}

fn forbidden(code: &'static str, message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, code, message)
}

/// The value of a header that may be there once.
fn only<'a>(headers: &'a HeaderMap, header: &str) -> Result<Option<&'a str>> {
    let bad = || {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "bad_header",
            format!("the header {header} is there twice or is no text"),
        )
    };
    let mut values = headers.get_all(header).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(bad());
    }
    first.map(|v| v.to_str().map_err(|_| bad())).transpose()
}

/// A host without its port, and an IPv6 address without its brackets.
fn name(host: &str) -> &str {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        return address;
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

fn accepted(name: &str, names: &[String]) -> bool {
    name.parse::<std::net::IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || names.iter().any(|n| n.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn status(headers: &[(&'static str, &str)]) -> Option<StatusCode> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_static(name);
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        check(&map, &["box.lan".into()]).err().map(|e| e.status)
    }

    #[test]
    fn own_names_pass() {
        for host in [
            "127.0.0.1:8080",
            "localhost",
            "LOCALHOST:1",
            "[::1]:8080",
            "192.168.0.7:80",
            "box.lan:8080",
        ] {
            assert_eq!(status(&[("host", host)]), None, "{host}");
            let origin = format!("http://{host}");
            assert_eq!(status(&[("host", host), ("origin", &origin)]), None);
        }
    }

    #[test]
    fn foreign_names_do_not() {
        for host in [
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "xbox.lan",
            "",
        ] {
            let found = status(&[("host", host)]);
            assert_eq!(found, Some(StatusCode::FORBIDDEN), "{host}");
        }
        assert_eq!(status(&[]), Some(StatusCode::BAD_REQUEST));
        let twice = status(&[("host", "localhost"), ("host", "localhost")]);
        assert_eq!(twice, Some(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn foreign_pages_do_not() {
        let host = ("host", "localhost:8080");
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost:8081",
            "http://localhost",
            "localhost:8080",
        ] {
            let found = status(&[host, ("origin", origin)]);
            assert_eq!(found, Some(StatusCode::FORBIDDEN), "{origin}");
        }
        let cross = ("sec-fetch-site", "cross-site");
        let found = status(&[host, cross, ("sec-fetch-mode", "no-cors")]);
        assert_eq!(found, Some(StatusCode::FORBIDDEN));
        assert_eq!(status(&[host, cross, ("sec-fetch-mode", "navigate")]), None);
    }
}
