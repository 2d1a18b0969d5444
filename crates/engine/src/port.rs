//! A further port of a server: its address, its settings and its handlers.

use crate::config::{Config, ConfigErrors};
use crate::dispatch::Handlers;
use crate::frame::{Acceptance, Frame, Outcome, Request};
use crate::listener::{BindError, Listener};
use crate::options;
use crate::server::{Server, StartError};
use std::net::SocketAddr;
use std::sync::Arc;
use wirewool_hub::event::Datagram;
use wirewool_hub::fd::Fd;
use wirewool_hub::settings::{Protocol, Settings};
use wirewool_proto::http::response::Response;
use wirewool_proto::packets::Packets;
use wirewool_proto::websocket::extension::Compression;

/// A further port before the start, for [`Builder::listen`](crate::builder::Builder::listen). What it is not told itself
/// is as by default, whatever the primary port was told.
pub struct Port {
    pub(crate) listener: Result<Listener, BindError>,
    pub(crate) config: Config,
    pub(crate) handlers: Handlers,
}

impl Port {
    /// A port that will listen on `address`, for example `"127.0.0.1:9502"` or `"unix:/run/chat"`, for connections that
    /// send bytes; port 0 takes a free one.
    ///
    /// The address is bound at once, but an error is only told by [`Builder::start`](crate::builder::Builder::start).
    pub fn bind(address: &str) -> Port {
        Port { listener: Listener::bind(address), config: Config::default(), handlers: Handlers::default() }
    }

    /// As [`Port::bind`], for datagrams: [`Port::on_packet`] handles them.
    pub fn bind_datagrams(address: &str) -> Port {
        Port { listener: Listener::bind_datagrams(address), config: Config::default(), handlers: Handlers::default() }
    }

    /// It speaks HTTP/1.1: [`Port::on_request`] handles what comes.
    #[must_use]
    pub fn http(mut self) -> Port {
        self.config.http = true;
        self
    }

    /// It speaks HTTP/1.1, of which requests may turn into WebSockets.
    #[must_use]
    pub fn websocket(mut self) -> Port {
        self.config.websocket = true;
        self
    }

    /// [`Port::on_receive`] gets whole packets, told apart in this way. One that is longer than
    /// [`Port::message_bytes_max`] closes its connection.
    #[must_use]
    pub fn packets(mut self, packets: Packets) -> Port {
        self.config.set_packets(packets);
        self
    }

    /// The longest message, request body or packet that is received, in bytes; 2 MiB by default.
    #[must_use]
    pub fn message_bytes_max(mut self, bytes: usize) -> Port {
        self.config.message_bytes_max = bytes;
        self
    }

    /// The subprotocols that its WebSockets speak, in the order of preference.
    #[must_use]
    pub fn subprotocols<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Port {
        self.config.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Messages of its WebSockets may be compressed.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Port {
        self.config.compression = Some(compression);
        self
    }

    /// A connection was accepted.
    #[must_use]
    pub fn on_connect<R: Outcome>(mut self, handler: impl Fn(&Server, Fd) -> R + Send + Sync + 'static) -> Port {
        self.handlers.connect = Some(Box::new(move |server, fd| handler(server, fd).into_error()));
        self
    }

    /// Bytes came, or a packet. Required where nothing else is spoken.
    #[must_use]
    pub fn on_receive<R: Outcome>(mut self, handler: impl Fn(&Server, Fd, &[u8]) -> R + Send + Sync + 'static) -> Port {
        self.handlers.receive = Some(Box::new(move |server, fd, bytes| handler(server, fd, bytes).into_error()));
        self
    }

    /// A datagram came. Required for datagrams.
    #[must_use]
    pub fn on_packet<R: Outcome>(
        mut self,
        handler: impl Fn(&Server, Datagram<'_>) -> R + Send + Sync + 'static,
    ) -> Port {
        self.handlers.packet = Some(Box::new(move |server, datagram| handler(server, datagram).into_error()));
        self
    }

    /// A connection is closed, or a WebSocket where those are spoken: nothing can be sent to it any more.
    #[must_use]
    pub fn on_close<R: Outcome>(mut self, handler: impl Fn(&Server, Fd) -> R + Send + Sync + 'static) -> Port {
        self.handlers.close = Some(Box::new(move |server, fd| handler(server, fd).into_error()));
        self
    }

    /// A message came. Required for WebSockets.
    #[must_use]
    pub fn on_message<R: Outcome>(mut self, handler: impl Fn(&Server, Frame<'_>) -> R + Send + Sync + 'static) -> Port {
        self.handlers.message = Some(Box::new(move |server, frame| handler(server, frame).into_error()));
        self
    }

    /// A WebSocket is open; `request` is what opened it.
    #[must_use]
    pub fn on_open<R: Outcome>(mut self, handler: impl Fn(&Server, &Request) -> R + Send + Sync + 'static) -> Port {
        self.handlers.open = Some(Box::new(move |server, request| handler(server, request).into_error()));
        self
    }

    /// A plain HTTP request came. Required for HTTP without WebSockets.
    #[must_use]
    pub fn on_request(mut self, handler: impl Fn(&Server, &Request) -> Response + Send + Sync + 'static) -> Port {
        self.handlers.request = Some(Box::new(handler));
        self
    }

    /// A correct upgrade request came: accepts it, or refuses it with a response.
    #[must_use]
    pub fn on_handshake(
        mut self,
        handler: impl Fn(&Server, &Request) -> Result<Acceptance, Response> + Send + Sync + 'static,
    ) -> Port {
        self.handlers.handshake = Some(Box::new(handler));
        self
    }

    /// Where it is bound, if that is an address of the internet.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.as_ref().ok().and_then(Listener::address)
    }

    /// The handler without which it makes no sense, if it is missing.
    pub(crate) fn lacks(&self) -> Option<&'static str> {
        let is_datagram = self.listener.as_ref().is_ok_and(Listener::is_datagram);
        let Handlers { message, request, receive, packet, .. } = &self.handlers;
        match self.config.protocol() {
            _ if is_datagram => packet.is_none().then_some("Port::on_packet"),
            Protocol::WebSocket => message.is_none().then_some("Port::on_message"),
            Protocol::Http => request.is_none().then_some("Port::on_request"),
            Protocol::Raw => receive.is_none().then_some("Port::on_receive"),
        }
    }
}

/// What the loops know of a server's ports, by their index.
#[derive(Clone)]
pub(crate) struct Ports(Arc<[Serving]>);

/// A port of a running server.
pub(crate) struct Serving {
    pub(crate) config: Config,
    pub(crate) handlers: Handlers,
}

impl Ports {
    /// Splits what is needed to accept from what is needed to handle.
    pub(crate) fn split(ports: Vec<Port>) -> Result<(Ports, Vec<Listener>), StartError> {
        let (mut servings, mut listeners, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        for Port { listener, config, handlers } in ports {
            match options::checked(&config) {
                Ok(config) => servings.push(Serving { config, handlers }),
                Err(ConfigErrors(errors)) => wrong.extend(errors),
            }
            listeners.push(listener);
        }
        if !wrong.is_empty() {
            return Err(ConfigErrors(wrong).into());
        }
        Ok((Ports(servings.into()), listeners.into_iter().collect::<Result<_, _>>()?))
    }

    /// The first one, whose configuration is also the server's.
    pub(crate) fn primary(&self) -> &Serving {
        &self.0[0]
    }

    /// What a loop's hub is told about each.
    pub(crate) fn settings(&self) -> Vec<Settings> {
        let settings =
            |port: &Serving| port.config.settings(port.config.protocol(), port.handlers.request.is_some(), false);
        self.0.iter().map(settings).collect()
    }

    /// Does any want to hear of new connections?
    pub(crate) fn tells_connected(&self) -> bool {
        self.0.iter().any(|port| port.handlers.connect.is_some())
    }

    /// The port with this index, which the memory may say wrongly; only if there is more than one it is asked for.
    #[inline]
    pub(crate) fn get(&self, index: impl FnOnce() -> Option<u8>) -> &Serving {
        match &*self.0 {
            [only] => only,
            ports => index().and_then(|index| ports.get(usize::from(index))).unwrap_or(&ports[0]),
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Serving> {
        self.0.iter()
    }
}
