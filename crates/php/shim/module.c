/* The module entry: what is declared when PHP loads the extension. */
#include "shim.h"
#include "ext/spl/spl_array.h"
#include "ext/spl/spl_exceptions.h"

/* The class tables name the methods, which Rust defines: hidden as well (see shim.h). */
#pragma GCC visibility push(hidden)
#include "channel_arginfo.h"
#include "constant_arginfo.h"
#include "client_arginfo.h"
#include "constants_arginfo.h"
#include "coroutine_arginfo.h"
#include "functions_arginfo.h"
#include "memory_arginfo.h"
#include "process_arginfo.h"
#include "server_arginfo.h"
#include "task_arginfo.h"
#include "timer_arginfo.h"
#pragma GCC visibility pop

#define WW_CREATE(name, family) \
	static zend_object *name(zend_class_entry *class) \
	{ \
		return ww_create(class, family); \
	}

WW_CREATE(ww_create_server, WW_SERVER)
WW_CREATE(ww_create_request, WW_REQUEST)
WW_CREATE(ww_create_response, WW_RESPONSE)
WW_CREATE(ww_create_iterator, WW_ITERATOR)
WW_CREATE(ww_create_atomic, WW_ATOMIC)
WW_CREATE(ww_create_atomic_long, WW_ATOMIC_LONG)
WW_CREATE(ww_create_table, WW_TABLE)
WW_CREATE(ww_create_channel, WW_CHANNEL)
WW_CREATE(ww_create_wait_group, WW_WAIT_GROUP)
WW_CREATE(ww_create_batch, WW_BATCH)
WW_CREATE(ww_create_client, WW_CLIENT)
WW_CREATE(ww_create_task, WW_TASK)
WW_CREATE(ww_create_process, WW_PROCESS)
WW_CREATE(ww_create_port, WW_PORT)

/* Aliases share the class: they must be declared when its methods and properties are complete. */
static void ww_declare_aliases(zend_class_entry *server, zend_class_entry *http_server,
	zend_class_entry *websocket_server)
{
	zend_register_class_alias("swoole_server", server);
	zend_register_class_alias("swoole_http_server", http_server);
	zend_register_class_alias("swoole_websocket_server", websocket_server);
	zend_register_class_alias("swoole_websocket_frame", ww_classes[WW_CLASS_FRAME]);
	zend_register_class_alias("swoole_websocket_closeframe", ww_classes[WW_CLASS_CLOSE_FRAME]);
	zend_register_class_alias("swoole_http_request", ww_classes[WW_CLASS_REQUEST]);
	zend_register_class_alias("swoole_http_response", ww_classes[WW_CLASS_RESPONSE]);
	zend_register_class_alias("swoole_server_port", ww_classes[WW_CLASS_PORT]);
	zend_register_class_alias("swoole_connection_iterator", ww_classes[WW_CLASS_ITERATOR]);
	zend_register_class_alias("swoole_exception", ww_classes[WW_CLASS_EXCEPTION]);
	zend_register_class_alias("swoole_error", ww_classes[WW_CLASS_ERROR]);
	zend_register_class_alias("swoole_exitexception", ww_exit_exception);
}

static void ww_declare_coroutines(void)
{
	zend_class_entry *coroutine = register_class_Swoole_Coroutine();
	ww_classes[WW_CLASS_COROUTINE_CONTEXT] = register_class_Swoole_Coroutine_Context(spl_ce_ArrayObject);
	ww_classes[WW_CLASS_COROUTINE_ITERATOR] = register_class_Swoole_Coroutine_Iterator(spl_ce_ArrayIterator);
	zend_register_class_alias("Co", coroutine);
	zend_register_class_alias("Co\\System", register_class_Swoole_Coroutine_System());
	zend_register_class_alias("swoole_coroutine", coroutine);
	zend_register_class_alias("Co\\Context", ww_classes[WW_CLASS_COROUTINE_CONTEXT]);
	zend_register_class_alias("Co\\Iterator", ww_classes[WW_CLASS_COROUTINE_ITERATOR]);

	zend_class_entry *channel =
		ww_class_of_family(WW_CHANNEL, register_class_Swoole_Coroutine_Channel(), ww_create_channel);
	zend_register_class_alias("Co\\Channel", channel);
	zend_register_class_alias("Chan", channel);
	zend_register_class_alias("Co\\WaitGroup",
		ww_class_of_family(WW_WAIT_GROUP, register_class_Swoole_Coroutine_WaitGroup(), ww_create_wait_group));
	zend_register_class_alias("Co\\Scheduler",
		ww_class_of_family(WW_BATCH, register_class_Swoole_Coroutine_Scheduler(), ww_create_batch));

	zend_register_class_alias("swoole_timer", register_class_Swoole_Timer());
	ww_classes[WW_CLASS_TIMER_ITERATOR] = register_class_Swoole_Timer_Iterator(spl_ce_ArrayIterator);
	zend_register_class_alias("swoole_timer_iterator", ww_classes[WW_CLASS_TIMER_ITERATOR]);
	zend_register_class_alias("swoole_event", register_class_Swoole_Event());
}

static void ww_declare_tasks(void)
{
	ww_classes[WW_CLASS_TASK] = ww_class_of_family(WW_TASK, register_class_Swoole_Server_Task(), ww_create_task);
	ww_classes[WW_CLASS_EVENT] = register_class_Swoole_Server_Event();
	ww_classes[WW_CLASS_PIPE_MESSAGE] = register_class_Swoole_Server_PipeMessage();
	ww_classes[WW_CLASS_STATUS_INFO] = register_class_Swoole_Server_StatusInfo();
	ww_classes[WW_CLASS_TASK_RESULT] = register_class_Swoole_Server_TaskResult();
	ww_classes[WW_CLASS_PACKET] = register_class_Swoole_Server_Packet();
	zend_register_class_alias("swoole_server_task", ww_classes[WW_CLASS_TASK]);
	zend_register_class_alias("swoole_process",
		ww_class_of_family(WW_PROCESS, register_class_Swoole_Process(), ww_create_process));
}

static void ww_declare_memory(void)
{
	zend_class_entry *table = ww_class_of_family(WW_TABLE,
		register_class_Swoole_Table(zend_ce_iterator, zend_ce_countable), ww_create_table);
	ww_class_of_tables(table);
	zend_register_class_alias("swoole_table", table);
	zend_register_class_alias("swoole_atomic",
		ww_class_of_family(WW_ATOMIC, register_class_Swoole_Atomic(), ww_create_atomic));
	zend_register_class_alias("swoole_atomic_long",
		ww_class_of_family(WW_ATOMIC_LONG, register_class_Swoole_Atomic_Long(), ww_create_atomic_long));
}

static void ww_declare_clients(void)
{
	zend_class_entry *client =
		ww_class_of_family(WW_CLIENT, register_class_Swoole_Coroutine_Http_Client(), ww_create_client);
	zend_class_entry *exception = register_class_Swoole_Coroutine_Http_Client_Exception(ww_classes[WW_CLASS_EXCEPTION]);
	ww_classes[WW_CLASS_CLIENT_EXCEPTION] = exception;
	zend_register_class_alias("Co\\Http\\Client", client);
	zend_register_class_alias("Co\\Http\\Client\\Exception", exception);
}

static void ww_declare_classes(void)
{
	ww_classes[WW_CLASS_EXCEPTION] = register_class_Swoole_Exception(zend_ce_exception);
	ww_classes[WW_CLASS_ERROR] = register_class_Swoole_Error(zend_ce_error);
	ww_classes[WW_CLASS_BAD_METHOD_CALL] = spl_ce_BadMethodCallException;
	ww_exit_exception = register_class_Swoole_ExitException(ww_classes[WW_CLASS_EXCEPTION]);

	zend_class_entry *server = ww_class_of_family(WW_SERVER, register_class_Swoole_Server(), ww_create_server);
	zend_class_entry *http_server = register_class_Swoole_Http_Server(server);
	zend_class_entry *websocket_server = register_class_Swoole_WebSocket_Server(http_server);
	ww_classes[WW_CLASS_HTTP_SERVER] = http_server;
	ww_classes[WW_CLASS_WEBSOCKET_SERVER] = websocket_server;

	ww_classes[WW_CLASS_PORT] = ww_class_of_family(WW_PORT, register_class_Swoole_Server_Port(), ww_create_port);
	ww_classes[WW_CLASS_REQUEST] = ww_class_of_family(WW_REQUEST, register_class_Swoole_Http_Request(), ww_create_request);
	ww_classes[WW_CLASS_RESPONSE] =
		ww_class_of_family(WW_RESPONSE, register_class_Swoole_Http_Response(), ww_create_response);
	ww_classes[WW_CLASS_ITERATOR] = ww_class_of_family(WW_ITERATOR,
		register_class_Swoole_Connection_Iterator(zend_ce_iterator, zend_ce_arrayaccess, zend_ce_countable),
		ww_create_iterator);
	ww_class_of_connections(ww_classes[WW_CLASS_ITERATOR]);

	zend_class_entry *frame = register_class_Swoole_WebSocket_Frame(zend_ce_stringable);
	ww_class_of_frames(frame);
	ww_classes[WW_CLASS_FRAME] = frame;
	ww_classes[WW_CLASS_CLOSE_FRAME] = register_class_Swoole_WebSocket_CloseFrame(frame);

	register_class_Swoole_Constant();
	ww_declare_coroutines();
	ww_declare_clients();
	ww_declare_tasks();
	ww_declare_aliases(server, http_server, websocket_server);
}

#define WW_CONSTANT(name) { #name, sizeof(#name) - 1, name }

/* Without ext-pcntl scripts would lack the names of the signals they send to a server. */
static void ww_declare_signals(int module_number)
{
	static const struct { const char *name; size_t length; zend_long value; } constants[] = {
		WW_CONSTANT(SIGHUP), WW_CONSTANT(SIGINT), WW_CONSTANT(SIGQUIT), WW_CONSTANT(SIGILL), WW_CONSTANT(SIGTRAP),
		WW_CONSTANT(SIGABRT), WW_CONSTANT(SIGBUS), WW_CONSTANT(SIGFPE), WW_CONSTANT(SIGKILL), WW_CONSTANT(SIGUSR1),
		WW_CONSTANT(SIGSEGV), WW_CONSTANT(SIGUSR2), WW_CONSTANT(SIGPIPE), WW_CONSTANT(SIGALRM), WW_CONSTANT(SIGTERM),
		WW_CONSTANT(SIGCHLD), WW_CONSTANT(SIGCONT), WW_CONSTANT(SIGSTOP), WW_CONSTANT(SIGTSTP), WW_CONSTANT(SIGTTIN),
		WW_CONSTANT(SIGTTOU), WW_CONSTANT(SIGURG), WW_CONSTANT(SIGXCPU), WW_CONSTANT(SIGXFSZ), WW_CONSTANT(SIGVTALRM),
		WW_CONSTANT(SIGPROF), WW_CONSTANT(SIGWINCH), WW_CONSTANT(SIGIO), WW_CONSTANT(SIGSYS),
		{ "SIG_IGN", sizeof("SIG_IGN") - 1, 1 },
		WW_CONSTANT(PRIO_PROCESS), WW_CONSTANT(PRIO_PGRP), WW_CONSTANT(PRIO_USER),
	};
	if (zend_hash_str_exists(&module_registry, ZEND_STRL("pcntl"))) {
		return;
	}
	for (size_t i = 0; i < sizeof(constants) / sizeof(*constants); i++) {
		zend_register_long_constant(constants[i].name, constants[i].length, constants[i].value, CONST_PERSISTENT,
			module_number);
	}
}

static PHP_MINIT_FUNCTION(swoole)
{
	register_constants_symbols(module_number);
	ww_declare_signals(module_number);
	ww_declare_classes();
	ww_declare_memory();
	ww_contexts_begin();
	ww_exit_begin();
	return SUCCESS;
}

static PHP_MSHUTDOWN_FUNCTION(swoole)
{
	ww_exit_end();
	return SUCCESS;
}

static PHP_RSHUTDOWN_FUNCTION(swoole)
{
	ww_request_ended();
	return SUCCESS;
}

static PHP_MINFO_FUNCTION(swoole)
{
	php_info_print_table_start();
	php_info_print_table_row(2, "Swoole API", SWOOLE_API_VERSION);
	php_info_print_table_row(2, "Implemented by", "Wirewool");
	php_info_print_table_row(2, "Wirewool", WIREWOOL_CRATE_VERSION);
	php_info_print_table_end();
}

static const zend_module_dep ww_dependencies[] = {
	ZEND_MOD_REQUIRED("standard")
	ZEND_MOD_REQUIRED("spl")
	ZEND_MOD_CONFLICTS("openswoole")
	ZEND_MOD_OPTIONAL("pcntl")
	ZEND_MOD_END
};

static zend_module_entry ww_module_entry = {
	STANDARD_MODULE_HEADER_EX, NULL, ww_dependencies,
	"swoole", ext_functions,
	PHP_MINIT(swoole), PHP_MSHUTDOWN(swoole), NULL, PHP_RSHUTDOWN(swoole), PHP_MINFO(swoole),
	SWOOLE_API_VERSION, STANDARD_MODULE_PROPERTIES
};

zend_module_entry *ww_module(void)
{
	return &ww_module_entry;
}
