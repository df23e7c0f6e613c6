//! Which requests are answered: those that a web page of another origin makes the browser send
//! are refused unless `--allow-origin` names that origin, and so are those that reach this server
//! under a host name that is not its own.
//!
//! A web page cannot choose the `Host` and `Origin` that the browser sends. A foreign page is
//! seen by its origin. A page whose name was made to resolve to this machine (DNS rebinding) has
//! an equal origin, but brings a name: only addresses, `localhost` and names that the server was
//! told are accepted. Programs other than browsers can send anything; this does not authenticate.

use std::net::IpAddr;
use std::str::FromStr;

use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};

use crate::error::{ApiError, Result, shown};

/// The hosts and origins of requests that are answered.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Host names of the server beside addresses and `localhost`.
    pub names: Vec<String>,
    /// Origins whose pages may use the server beside its own page.
    pub origins: Vec<OriginPattern>,
}

impl Guard {
    /// Checks the head of a request. Returns its origin if it is a foreign one that is allowed.
    ///
    /// # Errors
    /// 400 without a valid host, 403 for a foreign host or origin.
    pub fn check(&self, request: &Parts) -> Result<Option<HeaderValue>> {
        let host = host(request)?;
        if let Some(foreign) = host.map(name).filter(|name| !self.accepts(name)) {
            return Err(foreign_host(foreign));
        }
        let headers = &request.headers;
        if let Some(origin) = only(headers, header::ORIGIN.as_str())? {
            let of = origin.split_once("://").map(|(_, of)| of);
            let own = of
                .zip(host)
                .is_some_and(|(of, host)| of.eq_ignore_ascii_case(host));
            if !own && !self.origins.iter().any(|pattern| pattern.matches(origin)) {
                return Err(foreign_origin(&shown(origin)));
            }
            if !own {
                return Ok(headers.get(header::ORIGIN).cloned());
            }
        }
        // Sent by browsers only, for requests without an origin, too.
        if only(headers, "sec-fetch-site")?.is_some_and(|site| site == "cross-site") {
            // Following a link to the page is no harm.
            if only(headers, "sec-fetch-mode")?.is_none_or(|mode| mode != "navigate") {
                return Err(foreign_origin("another site"));
            }
        }
        Ok(None)
    }

    fn accepts(&self, name: &str) -> bool {
        name.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.names.iter().any(|n| n.eq_ignore_ascii_case(name))
    }
}

/// An origin such as `http://localhost:3000`, or a group of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginPattern {
    /// This one, in lower case. `null` is the origin of pages from files and in sandboxes.
    Exact(String),
    /// `SCHEME://HOST:*`: what is before the colon.
    AnyPort(String),
    /// `SCHEME://*`: what is before the star. Not for the schemes of the web.
    AnyHost(String),
}

impl OriginPattern {
    /// Whether an `Origin` is one of these.
    pub fn matches(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        match self {
            Self::Exact(own) => origin == *own,
            Self::AnyPort(own) => {
                let port = origin.strip_prefix(own.as_str());
                port.is_some_and(|port| port.is_empty() || port.starts_with(':'))
            }
            Self::AnyHost(scheme) => origin.starts_with(scheme.as_str()),
        }
    }
}

impl FromStr for OriginPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let origin = text.to_ascii_lowercase();
        if origin == "null" {
            return Ok(Self::Exact(origin));
        }
        let expected = "expected null, SCHEME://HOST, SCHEME://HOST:PORT or SCHEME://HOST:*, \
                        or SCHEME://* for a scheme other than http and https";
        let Some((scheme, host)) = origin.split_once("://") else {
            return Err(expected.into());
        };
        let of_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(of_scheme)
        {
            return Err(expected.into());
        }
        if host == "*" {
            return match scheme {
                "http" | "https" => Err(format!(
                    "every web page would be allowed to use this server; {expected}"
                )),
                _ => Ok(Self::AnyHost(format!("{scheme}://"))),
            };
        }
        let any_port = host.strip_suffix(":*");
        let valid = any_port.unwrap_or(host).parse::<Authority>();
        // The parser takes `user@host` as well.
        let valid = valid.is_ok_and(|a| !a.host().is_empty() && !a.as_str().contains(['@', '*']));
        if !valid {
            return Err(format!("an origin has no path; {expected}"));
        }
        if let Some(host) = any_port {
            return Ok(Self::AnyPort(format!("{scheme}://{host}")));
        }
        // Browsers leave these out.
        let default = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => "",
        };
        let host = host.strip_suffix(default).unwrap_or(host);
        Ok(Self::Exact(format!("{scheme}://{host}")))
    }
}

fn foreign_host(name: &str) -> ApiError {
    let message = format!(
        "this server has no host name {}; --allow-host NAME accepts one beside addresses and localhost",
        shown(name)
    );
    forbidden("foreign_host", message)
}

fn foreign_origin(origin: &str) -> ApiError {
    let message =
        format!("pages of {origin} may not use this server; --allow-origin accepts an origin");
    forbidden("foreign_origin", message)
}

fn forbidden(code: &'static str, message: String) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, code, message)
}

fn bad(code: &'static str, message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, code, message)
}

/// The host that a request is for. That of a target in absolute form counts, whatever the header
/// says (RFC 9112, 3.2.2). HTTP/1.0 has requests without one.
fn host(request: &Parts) -> Result<Option<&str>> {
    let header = only(&request.headers, header::HOST.as_str())?;
    if header.is_none() && request.version > Version::HTTP_10 {
        return Err(bad("no_host", "the request has no Host header".into()));
    }
    let valid = |host: &str| host.is_empty() || host.parse::<Authority>().is_ok();
    if header.is_some_and(|host| !valid(host) || host.contains('@')) {
        return Err(bad("bad_header", "the Host header is not a host".into()));
    }
    let Some(authority) = request.uri.authority() else {
        return Ok(header);
    };
    let scheme = request.uri.scheme_str().unwrap_or("http");
    if !["http", "https"].contains(&scheme) || authority.as_str().contains('@') {
        return Err(bad(
            "bad_target",
            "the request target is not a URL of this server".into(),
        ));
    }
    Ok(Some(authority.as_str()))
}

/// The value of a header that may be there once.
fn only<'a>(headers: &'a HeaderMap, header: &str) -> Result<Option<&'a str>> {
    let wrong = || {
        bad(
            "bad_header",
            format!("the header {header} is there twice or is not text"),
        )
    };
    let mut values = headers.get_all(header).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(wrong());
    }
    first.map(|v| v.to_str().map_err(|_| wrong())).transpose()
}

/// A host without its port, and an IPv6 address without its brackets.
fn name(host: &str) -> &str {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        return address;
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn check(target: &str, headers: &[(&str, &str)], origins: &[&str]) -> Result<Option<String>> {
        let guard = Guard {
            names: vec!["box.lan".into()],
            origins: origins.iter().map(|o| o.parse().unwrap()).collect(),
        };
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let allowed = guard.check(&parts)?;
        Ok(allowed.map(|origin| origin.to_str().unwrap().to_owned()))
    }

    fn status(headers: &[(&str, &str)]) -> Option<StatusCode> {
        check("/", headers, &[]).err().map(|e| e.status)
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
        for host in ["local host", "a/b", "evil.example@localhost"] {
            let found = status(&[("host", host)]);
            assert_eq!(found, Some(StatusCode::BAD_REQUEST), "{host}");
        }
    }

    #[test]
    fn the_host_of_an_absolute_target_counts() {
        let evil = ("host", "evil.example");
        let local = ("host", "localhost");
        assert!(check("http://localhost:8080/", &[evil], &[]).is_ok());
        let error = check("http://evil.example/", &[local], &[]).unwrap_err();
        assert_eq!(error.code, Some("foreign_host"));
        assert_eq!(
            error.message,
            "this server has no host name \"evil.example\"; --allow-host NAME accepts one beside \
             addresses and localhost"
        );
        // An origin is compared with it, too.
        let origin = ("origin", "http://127.0.0.1:8080");
        assert!(check("http://127.0.0.1:8080/", &[local, origin], &[]).is_ok());
        let error = check("http://127.0.0.1:8081/", &[local, origin], &[]).unwrap_err();
        assert_eq!(error.code, Some("foreign_origin"));
        // A host header has to be there, and to be one, all the same.
        let error = check("http://localhost/", &[], &[]).unwrap_err();
        assert_eq!(error.code, Some("no_host"));
        let error = check("http://localhost/", &[local, local], &[]).unwrap_err();
        assert_eq!(error.code, Some("bad_header"));
        for target in ["ftp://localhost/", "http://user@localhost/"] {
            let error = check(target, &[local], &[]).unwrap_err();
            assert_eq!(error.code, Some("bad_target"), "{target}");
        }
    }

    #[test]
    fn http_1_0_has_requests_without_a_host() {
        let request = |headers: &[(&str, &str)]| {
            let mut request = Request::builder().version(Version::HTTP_10).uri("/");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            Guard::default().check(&request.body(()).unwrap().into_parts().0)
        };
        assert!(request(&[]).is_ok());
        assert!(request(&[("host", "evil.example")]).is_err());
        assert!(request(&[("origin", "http://localhost")]).is_err());
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

    #[test]
    fn allowed_pages_do() {
        let host = ("host", "localhost:8080");
        let cross = ("sec-fetch-site", "cross-site");
        let rows = [
            ("null", "null", true),
            ("null", "file://", false),
            ("http://localhost:3000", "http://localhost:3000", true),
            ("http://LOCALHOST:3000", "http://localhost:3000", true),
            ("http://localhost:3000", "http://localhost:30001", false),
            ("http://localhost:3000", "https://localhost:3000", false),
            ("http://localhost:3000", "http://localhost", false),
            ("http://localhost:80", "http://localhost", true),
            ("https://box.lan:443", "https://box.lan", true),
            ("http://localhost:*", "http://localhost:3000", true),
            ("http://localhost:*", "http://localhost", true),
            ("http://localhost:*", "http://localhost.evil.example", false),
            ("http://[::1]:*", "http://[::1]:3000", true),
            ("vscode-webview://*", "vscode-webview://0a1b2c", true),
            ("vscode-webview://*", "vscode-webview-x://0a1b2c", false),
            ("vscode-webview://0a1b2c", "vscode-webview://0a1b2c", true),
            ("vscode-webview://0a1b2c", "vscode-webview://other", false),
        ];
        for (pattern, origin, allowed) in rows {
            let found = check("/", &[host, ("origin", origin), cross], &[pattern]);
            let found = found.map_err(|error| error.code.unwrap());
            let expected = match allowed {
                true => Ok(Some(origin.to_owned())),
                false => Err("foreign_origin"),
            };
            assert_eq!(found, expected, "{pattern} {origin}");
        }
        // The host is checked all the same: these pages may be served under any name.
        let rebound = [("host", "evil.example"), ("origin", "null")];
        let error = check("/", &rebound, &["null"]).unwrap_err();
        assert_eq!(error.code, Some("foreign_host"));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "*",
            "http://*",
            "https://*",
            "localhost:3000",
            "http://localhost:3000/",
            "http://localhost/page",
            "http://",
            "http://:*",
            "http://*.example",
            "http://a b",
            "http://user@host",
            "://host",
            "1a://host",
        ] {
            let error = text.parse::<OriginPattern>().unwrap_err();
            assert!(error.contains("expected null"), "{text}: {error}");
        }
    }
}
