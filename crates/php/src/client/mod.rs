//! `Swoole\Coroutine\Http\Client`: requests and WebSockets to other servers, each wait a coroutine's.
//!
//! * [`state`]: what a client object has, and its properties.
//! * [`settings`]: what `set()` takes.
//! * [`connection`]: one socket, from its address to its end.
//! * [`request`], [`form`]: properties into the bytes of a request.
//! * [`exchange`], [`answer`]: a request and its answer, once more if its connection had died, into properties.
//! * [`websocket`]: frames in and out.
//! * [`methods`]: the rest of what scripts call.

pub(crate) mod answer;
pub(crate) mod connection;
pub(crate) mod exchange;
pub(crate) mod form;
pub(crate) mod methods;
pub(crate) mod request;
pub(crate) mod settings;
pub(crate) mod state;
pub(crate) mod websocket;
