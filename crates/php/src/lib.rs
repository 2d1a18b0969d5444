//! Turns the classes of `Swoole\Server` and its family, as PHP sees them, into Wirewool's engine.
//!
//! * [`zend`], [`guard`], [`method`], [`native`]: the border to PHP; C's half of it is `shim/`.
//! * [`callback`], [`exception`], [`warning`], [`last_error`], [`array`], [`process`]: what bodies of methods use.
//! * [`frame`], [`pack`], [`request`], [`response`], [`reply`], [`cookie`], [`iterator`], [`functions`]: the API's objects.
//! * [`atomic`], [`table`], [`rows`]: what processes share.
//! * [`server`], [`port`], [`event`], [`options`], [`listener`]: a server that is being set up.
//! * [`start`], [`serving`], [`worker`], [`queue`], [`dispatch`], [`log`], [`service`]: a server that runs.
//! * [`connections`], [`websocket`]: what scripts do with its connections. [`client`]: those to other servers.
//!
//! Each `unsafe` block is one operation on the border; nothing borrowed lives across a call into PHP.

mod array;
mod atomic;
mod callback;
mod client;
mod connections;
mod cookie;
mod coroutine;
mod dispatch;
mod event;
mod event_loop;
mod event_methods;
mod exception;
mod frame;
mod functions;
mod guard;
mod iterator;
mod last_error;
mod lifecycle;
mod listener;
mod log;
mod method;
mod native;
mod options;
mod pack;
mod parcels;
mod port;
mod process;
mod queue;
mod reply;
mod request;
mod response;
mod rows;
mod sending;
mod serial;
mod server;
mod service;
mod serving;
mod start;
mod subprocess;
mod table;
mod task;
mod task_worker;
mod timer;
mod timers;
mod warning;
mod websocket;
mod worker;
mod zend;
