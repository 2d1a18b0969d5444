//! The second table: options that Swoole has and this version does not build, and why.

use crate::options::Value;

/// An option that has no effect.
pub(crate) struct NotBuilt {
    /// Its name.
    pub(crate) name: &'static str,
    /// What asks for no more than there is, if anything does: on or off.
    pub(crate) is: Option<bool>,
    /// Why it has no effect.
    pub(crate) reason: &'static str,
}

impl NotBuilt {
    /// Is this how it is anyway?
    pub(crate) fn is_so(&self, value: &Value) -> bool {
        match value {
            Value::Null => self.is == Some(false),
            Value::Bool(on) => self.is == Some(*on),
            Value::Int(0) => self.is == Some(false),
            Value::Int(1) => self.is == Some(true),
            _ => false,
        }
    }
}

/// One that does nothing whatever it is set to.
const fn never(name: &'static str, reason: &'static str) -> NotBuilt {
    NotBuilt { name, is: None, reason }
}

/// One that is always off.
const fn off(name: &'static str, reason: &'static str) -> NotBuilt {
    NotBuilt { name, is: Some(false), reason }
}

/// One that is always on.
const fn on(name: &'static str, reason: &'static str) -> NotBuilt {
    NotBuilt { name, is: Some(true), reason }
}

/// In the order of their reasons; a line each, so that it goes when the option comes.
#[rustfmt::skip]
pub(crate) const NOT_BUILT: &[NotBuilt] = &[
    never("ssl_cert_file", "TLS is not built: put a proxy that speaks it in front"),
    never("ssl_key_file", "TLS is not built: put a proxy that speaks it in front"),
    never("ssl_protocols", "TLS is not built: put a proxy that speaks it in front"),
    never("ssl_ciphers", "TLS is not built: put a proxy that speaks it in front"),
    never("ssl_verify_peer", "TLS is not built: put a proxy that speaks it in front"),
    never("ssl_allow_self_signed", "TLS is not built: put a proxy that speaks it in front"),
    never("ssl_client_cert_file", "TLS is not built: put a proxy that speaks it in front"),
    never("ssl_cafile", "TLS is not built: put a proxy that speaks it in front"),
    never("ssl_capath", "TLS is not built: put a proxy that speaks it in front"),
    never("ssl_verify_depth", "TLS is not built: put a proxy that speaks it in front"),
    never("ssl_prefer_server_ciphers", "TLS is not built: put a proxy that speaks it in front"),
    never("ssl_ecdh_curve", "TLS is not built: put a proxy that speaks it in front"),
    never("ssl_dhparam", "TLS is not built: put a proxy that speaks it in front"),
    never("ssl_compress", "TLS is not built: put a proxy that speaks it in front"),
    never("ssl_sni_certs", "TLS is not built: put a proxy that speaks it in front"),
    never("ssl_method", "TLS is not built: put a proxy that speaks it in front"),
    never("task_ipc_mode", "tasks go through rings in shared memory"),
    never("task_tmpdir", "large tasks need no files"),
    never("message_queue_key", "queues of the system are not used"),
    never("dispatch_func", "the worker is chosen by dispatch_mode alone"),
    never("discard_timeout_request", "all events are always delivered, those of a connection that is gone apart"),
    never("enable_unsafe_event", "all events are always delivered, those of a connection that is gone apart"),
    never("max_queued_bytes", "what waits for a worker is bounded by its ring"),
    off("single_thread", "reactors are threads of their own"),
    off("enable_delay_receive", "a connection is read from the start"),
    never("input_buffer_size", "a connection owns no receive buffer: package_max_length is the bound"),
    never("buffer_input_size", "a connection owns no receive buffer: package_max_length is the bound"),
    off("hook_flags", "PHP's own functions are not hooked"),
    never("stack_size", "a coroutine's stack has one size"),
    never("c_stack_size", "a coroutine's stack has one size"),
    off("enable_preemptive_scheduler", "coroutines switch where they wait, and nowhere else"),
    on("enable_deadlock_check", "a deadlock is always reported"),
    never("name_resolver", "names are resolved by the system"),
    never("dns_server", "names are resolved by the system"),
    never("dns_cache_expire", "names are resolved by the system"),
    never("dns_cache_capacity", "names are resolved by the system"),
    never("max_concurrency", "requests at once are not counted"),
    never("worker_max_concurrency", "requests at once are not counted"),
    never("bootstrap", "there are no PHP threads"),
    never("init_arguments", "there are no PHP threads"),
    never("thread_num", "there are no PHP threads"),
    never("min_thread_num", "there are no PHP threads"),
    never("max_thread_num", "there are no PHP threads"),
    off("package_length_func", "a packet's length is where package_length_offset says"),
    off("open_http2_protocol", "HTTP/2 is not spoken"),
    off("http2_header_table_size", "HTTP/2 is not spoken"),
    off("http2_initial_window_size", "HTTP/2 is not spoken"),
    off("http2_max_concurrent_streams", "HTTP/2 is not spoken"),
    off("http2_max_frame_size", "HTTP/2 is not spoken"),
    off("http2_max_header_list_size", "HTTP/2 is not spoken"),
    off("open_mqtt_protocol", "MQTT and Redis are not spoken"),
    off("open_redis_protocol", "MQTT and Redis are not spoken"),
    on("http_parse_cookie", "cookies and forms are always parsed"),
    on("http_parse_post", "cookies and forms are always parsed"),
    off("http_parse_files", "uploaded files are not taken out of a form's names"),
    never("upload_tmp_dir", "uploads stay in memory: package_max_length is the bound"),
    never("upload_max_filesize", "uploads stay in memory: package_max_length is the bound"),
    off("http_compression", "responses are not compressed"),
    off("http_compression_level", "responses are not compressed"),
    off("compression_level", "responses are not compressed"),
    off("http_gzip_level", "responses are not compressed"),
    off("http_compression_min_length", "responses are not compressed"),
    off("compression_min_length", "responses are not compressed"),
    off("http_compression_types", "responses are not compressed"),
    off("compression_types", "responses are not compressed"),
    off("enable_static_handler", "files are not served"),
    off("document_root", "files are not served"),
    off("static_handler_locations", "files are not served"),
    off("http_autoindex", "files are not served"),
    off("http_index_files", "files are not served"),
    off("url_rewrite_rules", "files are not served"),
    off("websocket_mask", "a server does not mask its frames (RFC 6455 §5.1)"),
    never("display_errors", "errors go where PHP's own display_errors says"),
    never("debug_mode", "there is no tracing: use log_level"),
    never("trace_flags", "there is no tracing: use log_level"),
    never("stats_file", "statistics are not written to a file: use stats()"),
    never("stats_timer_interval", "statistics are not written to a file: use stats()"),
    never("admin_server", "there is no admin server"),
    never("socket_dns_timeout", "a client's times are set on the client"),
    never("socket_connect_timeout", "a client's times are set on the client"),
    never("socket_timeout", "a client's times are set on the client"),
    never("socket_read_timeout", "a client's times are set on the client"),
    never("socket_recv_timeout", "a client's times are set on the client"),
    never("socket_write_timeout", "a client's times are set on the client"),
    never("socket_send_timeout", "a client's times are set on the client"),
    never("enable_signalfd", "signals are read from an eventfd"),
    never("aio_core_worker_num", "there is no thread pool"),
    never("aio_worker_num", "there is no thread pool"),
    never("aio_max_wait_time", "there is no thread pool"),
    never("aio_max_idle_time", "there is no thread pool"),
    never("iouring_entries", "io_uring is not used"),
    never("iouring_workers", "io_uring is not used"),
    never("iouring_flag", "io_uring is not used"),
    never("request_slowlog_file", "slow requests are not logged"),
    never("request_slowlog_timeout", "slow requests are not logged"),
];
