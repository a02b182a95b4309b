//! Socket calls: what we imply of an application beside what it called and what it was told.

use lastack::base::Side;
use lastack::finding::{Call, EndpointView, ImpliedCall};
use serde_json::Value;

use super::truth::{AppCall, Connection};

/// Said while something goes on, and no end of anything.
const PASSING: &[&str] = &["EINPROGRESS", "EAGAIN", "EALREADY", "EINTR", "EWOULDBLOCK"];
/// Errors that only an arriving segment brings.
const BY_RESET: &[&str] = &["ECONNRESET", "EPIPE"];
const NONE: &str = "none";

/// One comparison: what is compared, what the application did or saw, what we imply.
pub type Compared = (&'static str, String, String);

/// Compares one end. Nothing is compared of programs whose calls were not noted.
pub fn compare(connection: &Connection, side: Side, view: &EndpointView) -> Vec<Compared> {
    let calls: Vec<&AppCall> = connection.app.iter().filter(|call| call.host == side.name()).collect();
    if calls.is_empty() {
        return Vec::new();
    }
    let mut compared = Vec::new();
    let implied = |call: Call| view.calls.iter().find(move |implied| implied.call == call);
    if let Some(asked) = connected(&calls) {
        let got = implied(Call::Connect).map_or(NONE.to_owned(), result);
        compared.push(("connect", asked, got));
    }
    if implied(Call::Accept).is_some() {
        let asked = if calls.iter().any(|call| call.call == "accept") { "ok" } else { NONE };
        compared.push(("accept", asked.to_owned(), "ok".to_owned()));
    }
    // Of a connection that was never accepted only the listener is closed.
    let held = calls.iter().any(|call| matches!(call.call.as_str(), "accept" | "connect"));
    if let (true, Some(asked), Some(got)) = (held, ended(&calls), implied_end(view)) {
        compared.push(("end of sending", asked.to_owned(), got.name().to_owned()));
    }
    let got = view.error.map_or(NONE, |errno| errno.name());
    // Who stopped sending himself is told EPIPE of his own doing.
    let shut = calls.iter().position(|call| call.shuts_writing()).unwrap_or(calls.len());
    let of_own_doing = |index: usize, call: &AppCall| index > shut && call.errno.as_deref() == Some("EPIPE");
    let mut told = calls.iter().enumerate().filter(|(index, call)| !of_own_doing(*index, call));
    match told.find_map(|(_, call)| call.lasting_errno()) {
        Some(asked) => compared.push(("error", asked.to_owned(), got.to_owned())),
        // Without a call afterwards the application never learns of it; what never arrived is no error at all.
        None if BY_RESET.contains(&got) && !connection.was_reset(side) => {
            compared.push(("error", NONE.to_owned(), got.to_owned()));
        }
        None => {}
    }
    compared
}

impl AppCall {
    fn lasting_errno(&self) -> Option<&str> {
        let asks = matches!(self.call.as_str(), "connect" | "recv" | "send" | "sendall" | "sendto");
        self.errno.as_deref().filter(|errno| asks && !PASSING.contains(errno))
    }

    fn shuts_writing(&self) -> bool {
        self.call == "shutdown" && self.args.as_str().is_some_and(|how| how.contains("WR"))
    }
}

/// How connect() ended: a non-blocking one ends with what the next call is told, or well.
fn connected(calls: &[&AppCall]) -> Option<String> {
    // connect(AF_UNSPEC) takes a connection down.
    let opens = |call: &&&AppCall| call.call == "connect" && call.args != "AF_UNSPEC";
    let connect = calls.iter().find(opens)?;
    match connect.errno.as_deref() {
        None => Some("ok".to_owned()),
        Some(errno) if PASSING.contains(&errno) => None,
        Some(errno) => Some(errno.to_owned()),
    }
}

/// The first call by which the application stopped sending.
fn ended(calls: &[&AppCall]) -> Option<&'static str> {
    let lingers = calls.iter().any(|call| {
        let words = call.args.as_array().map(Vec::as_slice);
        matches!(words, Some([name, on, seconds]) if name == "SO_LINGER" && *on == 1 && *seconds == 0)
    });
    calls.iter().find_map(|call| match call.call.as_str() {
        "shutdown" if call.shuts_writing() => Some(Call::Shutdown.name()),
        "close" if lingers => Some(Call::Abort.name()),
        "close" | "SIGKILL" | "exit" => Some(Call::Close.name()),
        "SOCK_DESTROY" => Some(Call::Abort.name()),
        _ => None,
    })
}

fn implied_end(view: &EndpointView) -> Option<Call> {
    let ends = |implied: &&ImpliedCall| matches!(implied.call, Call::Shutdown | Call::Close | Call::Abort);
    view.calls.iter().find(ends).map(|implied| implied.call)
}

fn result(implied: &ImpliedCall) -> String {
    implied.errno.map_or("ok", |errno| errno.name()).to_owned()
}

/// What [`AppCall::args`] is when a call has none.
pub fn no_args() -> Value {
    Value::Null
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, args: Value, errno: Option<&str>) -> AppCall {
        AppCall { host: "client".to_owned(), call: name.to_owned(), args, errno: errno.map(str::to_owned) }
    }

    #[test]
    fn a_close_with_linger_zero_is_an_abort() {
        let linger = call("setsockopt", serde_json::json!(["SO_LINGER", 1, 0]), None);
        let close = call("close", Value::Null, None);
        assert_eq!(ended(&[&linger, &close]), Some("abort"));
        assert_eq!(ended(&[&close]), Some("close"));
        let reading = call("shutdown", "SHUT_RD".into(), None);
        assert_eq!(ended(&[&reading, &close]), Some("close"));
        let writing = call("shutdown", "SHUT_WR".into(), None);
        assert_eq!(ended(&[&writing, &close]), Some("shutdown"));
    }

    #[test]
    fn what_goes_on_is_no_error() {
        let connect = call("connect", Value::Null, Some("EINPROGRESS"));
        assert_eq!(connected(&[&connect]), None);
        assert_eq!(connect.lasting_errno(), None);
        let refused = call("connect", Value::Null, Some("ECONNREFUSED"));
        assert_eq!(connected(&[&refused]), Some("ECONNREFUSED".to_owned()));
        assert_eq!(refused.lasting_errno(), Some("ECONNREFUSED"));
    }
}
