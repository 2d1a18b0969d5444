/* What the Zend API offers as macros only, as functions for Rust; object handlers; the module entry. */
#include "shim.h"

/* The class tables name the methods, which Rust defines: hidden as well (see shim.h). */
#pragma GCC visibility push(hidden)
#include "wirewool_arginfo.h"
#pragma GCC visibility pop

/* ---- leaving by longjmp ---- */

int ww_guard(void (*run)(void *), void *data)
{
	zend_try {
		run(data);
	} zend_catch {
		return WW_BAILOUT;
	} zend_end_try();
	return WW_OK;
}

void ww_bailout(void)
{
	zend_bailout();
}

/* ---- objects ---- */

static zend_class_entry *ww_classes[WW_CLASSES];
static zend_object_handlers ww_handlers[WW_FAMILIES];
static zend_object_handlers ww_frame_handlers;

static ww_object *ww_object_of(zend_object *object)
{
	return (ww_object *) ((char *) object - offsetof(ww_object, std));
}

static int ww_family_of(const zend_object *object)
{
	return (int) (object->handlers - ww_handlers);
}

void *ww_state(zend_object *object, int family)
{
	return object->handlers == &ww_handlers[family] ? ww_object_of(object)->state : NULL;
}

static zend_object *ww_create(zend_class_entry *class, ww_family family)
{
	ww_object *object = zend_object_alloc(sizeof(ww_object), class);
	object->state = ww_state_new(family);
	zend_object_std_init(&object->std, class);
	object->std.handlers = &ww_handlers[family];
	object_properties_init(&object->std, class);
	return &object->std;
}

static zend_object *ww_create_server(zend_class_entry *class)
{
	return ww_create(class, WW_SERVER);
}

static zend_object *ww_create_request(zend_class_entry *class)
{
	return ww_create(class, WW_REQUEST);
}

static zend_object *ww_create_response(zend_class_entry *class)
{
	return ww_create(class, WW_RESPONSE);
}

static zend_object *ww_create_iterator(zend_class_entry *class)
{
	return ww_create(class, WW_ITERATOR);
}

static zend_object *ww_create_frame(zend_class_entry *class)
{
	zend_object *object = zend_objects_new(class);
	object->handlers = &ww_frame_handlers;
	object_properties_init(object, class);
	return object;
}

static void ww_free(zend_object *object)
{
	void *state = ww_object_of(object)->state;
	ww_object_of(object)->state = NULL;
	bool bailout_owed = state != NULL && ww_state_free(ww_family_of(object), state);
	zend_object_std_dtor(object);
	if (bailout_owed) {
		zend_bailout();
	}
}

/* Each reference must be reported once: through the table if one was built (it points at the slots), else the slots. */
static HashTable *ww_get_gc(zend_object *object, zval **table, int *count)
{
	zend_get_gc_buffer *buffer = zend_get_gc_buffer_create();
	void *state = ww_object_of(object)->state;
	zval *held;
	for (size_t i = 0; state != NULL && (held = ww_state_held(ww_family_of(object), state, i)) != NULL; i++) {
		zend_get_gc_buffer_add_zval(buffer, held);
	}
	if (object->properties == NULL) {
		for (int i = 0; i < object->ce->default_properties_count; i++) {
			zend_get_gc_buffer_add_zval(buffer, OBJ_PROP_NUM(object, i));
		}
	}
	zend_get_gc_buffer_use(buffer, table, count);
	return object->properties;
}

/* Rust writes declared properties by slot: they stay. */
static void ww_unset_property(zend_object *object, zend_string *name, void **cache_slot)
{
	const zend_class_entry *class = object->ce;
	while (class->type != ZEND_INTERNAL_CLASS) {
		class = class->parent;
	}
	if (zend_hash_exists(&class->properties_info, name)) {
		zend_throw_error(NULL, "Property %s of class %s cannot be unset", ZSTR_VAL(name), ZSTR_VAL(object->ce->name));
		return;
	}
	zend_std_unset_property(object, name, cache_slot);
}

/* PHP's own, which calls the methods. */
static zend_object_iterator *(*ww_user_iterator)(zend_class_entry *class, zval *object, int by_reference);

/* foreach over $server->connections has a cursor of its own, in an iterator that nobody else sees: callbacks that run
 * within the loop may walk the connections as well. */
static zend_object_iterator *ww_walk_connections(zend_class_entry *class, zval *connections, int by_reference)
{
	zval own;
	if (object_init_ex(&own, class) == FAILURE) {
		return NULL;
	}
	ww_connections_share(ww_object_of(Z_OBJ_P(connections))->state, ww_object_of(Z_OBJ(own))->state);
	zend_object_iterator *iterator = ww_user_iterator(class, &own, by_reference);
	zval_ptr_dtor(&own);
	return iterator;
}

static zend_function *ww_refuse_new(zend_object *object)
{
	zend_throw_error(NULL, "%s cannot be created with new: it is a server's connections property",
		ZSTR_VAL(object->ce->name));
	return NULL;
}

void ww_object_new(zval *to, int class)
{
	object_init_ex(to, ww_classes[class]);
}

bool ww_instance_of(const zend_object *object, int class)
{
	return instanceof_function(object->ce, ww_classes[class]);
}

zend_string *ww_class_name(const zend_object *object)
{
	return object->ce->name;
}

zval *ww_property(zend_object *object, uint32_t slot)
{
	zval *property = OBJ_PROP_NUM(object, slot);
	ZVAL_DEREF(property);
	return property;
}

zval *ww_property_named(zend_object *object, const char *name, size_t length, zval *room)
{
	zval *property = zend_read_property(object->ce, object, name, length, true, room);
	ZVAL_DEREF(property);
	return property;
}

/* Takes the value over. The old one goes last: its destructor may run PHP. */
void ww_property_set(zend_object *object, uint32_t slot, zval *value)
{
	zval *property = ww_property(object, slot);
	zval old;
	ZVAL_COPY_VALUE(&old, property);
	ZVAL_COPY_VALUE(property, value);
	zval_ptr_dtor(&old);
}

enum { WW_FRAME_FD, WW_FRAME_DATA, WW_FRAME_OPCODE, WW_FRAME_FLAGS, WW_FRAME_FINISH };

/* Takes data over; NULL leaves it empty. Every other property of a fresh object needs no release. */
void ww_frame_new(zval *to, int class, zend_long fd, zend_long opcode, zend_long flags, bool finish, zend_string *data)
{
	object_init_ex(to, ww_classes[class]);
	zend_object *frame = Z_OBJ_P(to);
	ZVAL_LONG(OBJ_PROP_NUM(frame, WW_FRAME_FD), fd);
	if (data != NULL) {
		ZVAL_STR(OBJ_PROP_NUM(frame, WW_FRAME_DATA), data);
	}
	ZVAL_LONG(OBJ_PROP_NUM(frame, WW_FRAME_OPCODE), opcode);
	ZVAL_LONG(OBJ_PROP_NUM(frame, WW_FRAME_FLAGS), flags);
	ZVAL_BOOL(OBJ_PROP_NUM(frame, WW_FRAME_FINISH), finish);
}

/* ---- callbacks ---- */

/* NULL when it is not callable; then *name is what PHP calls it. */
ww_callback *ww_callback_new(zval *callable, zend_string **name)
{
	zend_fcall_info fci;
	zend_fcall_info_cache fcc;
	if (zend_fcall_info_init(callable, 0, &fci, &fcc, NULL, NULL) == FAILURE) {
		*name = zend_get_callable_name(callable);
		return NULL;
	}
	/* The function of __call and __callStatic is made for one call and freed by it: look it up each time. */
	if (fcc.function_handler != NULL && (fcc.function_handler->common.fn_flags & ZEND_ACC_CALL_VIA_TRAMPOLINE)) {
		zend_release_fcall_info_cache(&fcc);
		memset(&fcc, 0, sizeof(fcc));
	}
	ww_callback *callback = emalloc(sizeof(*callback));
	callback->fci = fci;
	callback->fcc = fcc;
	ZVAL_COPY(&callback->callable, callable);
	ZVAL_COPY_VALUE(&callback->fci.function_name, &callback->callable);
	return callback;
}

void ww_callback_free(ww_callback *callback)
{
	zval callable;
	ZVAL_COPY_VALUE(&callable, &callback->callable);
	efree(callback);
	zval_ptr_dtor(&callable);
}

zval *ww_callback_callable(ww_callback *callback)
{
	return &callback->callable;
}

int ww_callback_call(ww_callback *callback, uint32_t count, zval *arguments, zval *result)
{
	zend_fcall_info fci = callback->fci;
	fci.param_count = count;
	fci.params = arguments;
	fci.retval = result;
	ZVAL_UNDEF(result);
	zend_try {
		zend_call_function(&fci, callback->fcc.function_handler != NULL ? &callback->fcc : NULL);
	} zend_catch {
		return WW_BAILOUT;
	} zend_end_try();
	return ww_exception_pending();
}

/* ---- exceptions and warnings ---- */

/* WW_OK if none is pending, WW_EXIT if it is what exit() throws, else WW_THREW. */
int ww_exception_pending(void)
{
	if (EXPECTED(EG(exception) == NULL)) {
		return WW_OK;
	}
	return zend_is_unwind_exit(EG(exception)) || zend_is_graceful_exit(EG(exception)) ? WW_EXIT : WW_THREW;
}

void ww_exception_clear(void)
{
	zend_clear_exception();
}

/* What PHP does with an exception that reaches the end of the main script. zend_exception_error() leaves the status
 * alone when it is not called from there. */
void ww_exception_report(void)
{
	if (Z_TYPE(EG(user_exception_handler)) != IS_UNDEF) {
		zend_user_exception_handler();
	}
	if (EG(exception) != NULL) {
		EG(exit_status) = 255;
		zend_exception_error(EG(exception), E_ERROR);
	}
}

/* An unknown class (WW_CLASSES) means PHP's own Error. */
void ww_exception_throw(int class, const char *message, size_t length, zend_long code)
{
	zend_class_entry *entry = class < WW_CLASSES ? ww_classes[class] : zend_ce_error;
	zend_throw_exception_ex(entry, code, "%.*s", (int) MIN(length, INT_MAX), message);
}

void ww_unwind_exit(void)
{
	zend_throw_unwind_exit();
}

void ww_warning(int level, const char *text, size_t length)
{
	php_error_docref(NULL, level, "%.*s", (int) MIN(length, INT_MAX), text);
}

/* ---- the process ---- */

void ww_exit_status_set(int status)
{
	EG(exit_status) = status;
}

const char *ww_sapi_name(void)
{
	return sapi_module.name;
}

void ww_output_flush(void)
{
	php_output_flush_all();
	sapi_flush();
}

/* In the child, right after the fork: it must not draw its parent's random numbers. */
void ww_forked(void)
{
	RANDOM_G(mt19937_seeded) = false;
	RANDOM_G(combined_lcg_seeded) = false;
#if PHP_VERSION_ID >= 80500
	php_child_init();
#elif defined(ZEND_MAX_EXECUTION_TIMERS)
	zend_max_execution_timer_init();
#endif
}

bool ww_process_title(zend_string *title)
{
	zval function, argument, result;
	ZVAL_STRING(&function, "cli_set_process_title");
	ZVAL_STR_COPY(&argument, title);
	ZVAL_UNDEF(&result);
	bool done = zend_is_callable(&function, 0, NULL)
		&& call_user_function(NULL, NULL, &function, &result, 1, &argument) == SUCCESS
		&& Z_TYPE(result) == IS_TRUE;
	zval_ptr_dtor(&result);
	zval_ptr_dtor(&argument);
	zval_ptr_dtor(&function);
	return done;
}

/* ---- the module ---- */

static void ww_init_handlers(zend_object_handlers *handlers)
{
	memcpy(handlers, zend_get_std_object_handlers(), sizeof(*handlers));
	handlers->clone_obj = NULL;
	handlers->unset_property = ww_unset_property;
}

static zend_class_entry *ww_family_class(ww_family family, zend_class_entry *class,
	zend_object *(*create)(zend_class_entry *))
{
	zend_object_handlers *handlers = &ww_handlers[family];
	ww_init_handlers(handlers);
	handlers->offset = offsetof(ww_object, std);
	handlers->free_obj = ww_free;
	handlers->get_gc = ww_get_gc;
	class->create_object = create;
	return class;
}

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
	zend_register_class_alias("swoole_connection_iterator", ww_classes[WW_CLASS_ITERATOR]);
	zend_register_class_alias("swoole_exception", ww_classes[WW_CLASS_EXCEPTION]);
}

static void ww_declare_classes(void)
{
	ww_classes[WW_CLASS_EXCEPTION] = register_class_Swoole_Exception(zend_ce_exception);
	zend_register_class_alias("swoole_error", register_class_Swoole_Error(zend_ce_error));

	/* Subclasses, native and PHP's own, inherit create_object. */
	zend_class_entry *server = ww_family_class(WW_SERVER, register_class_Swoole_Server(), ww_create_server);
	zend_class_entry *http_server = register_class_Swoole_Http_Server(server);
	zend_class_entry *websocket_server = register_class_Swoole_WebSocket_Server(http_server);
	ww_classes[WW_CLASS_HTTP_SERVER] = http_server;
	ww_classes[WW_CLASS_WEBSOCKET_SERVER] = websocket_server;

	ww_classes[WW_CLASS_REQUEST] = ww_family_class(WW_REQUEST, register_class_Swoole_Http_Request(), ww_create_request);
	ww_classes[WW_CLASS_RESPONSE] =
		ww_family_class(WW_RESPONSE, register_class_Swoole_Http_Response(), ww_create_response);
	ww_classes[WW_CLASS_ITERATOR] = ww_family_class(WW_ITERATOR,
		register_class_Swoole_Connection_Iterator(zend_ce_iterator, zend_ce_arrayaccess, zend_ce_countable),
		ww_create_iterator);
	ww_handlers[WW_ITERATOR].get_constructor = ww_refuse_new;
	ww_user_iterator = ww_classes[WW_CLASS_ITERATOR]->get_iterator;
	ww_classes[WW_CLASS_ITERATOR]->get_iterator = ww_walk_connections;

	ww_init_handlers(&ww_frame_handlers);
	zend_class_entry *frame = register_class_Swoole_WebSocket_Frame(zend_ce_stringable);
	frame->create_object = ww_create_frame;
	ww_classes[WW_CLASS_FRAME] = frame;
	ww_classes[WW_CLASS_CLOSE_FRAME] = register_class_Swoole_WebSocket_CloseFrame(frame);

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
	register_wirewool_symbols(module_number);
	ww_declare_signals(module_number);
	ww_declare_classes();
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
	ZEND_MOD_CONFLICTS("openswoole")
	ZEND_MOD_OPTIONAL("pcntl")
	ZEND_MOD_END
};

static zend_module_entry ww_module_entry = {
	STANDARD_MODULE_HEADER_EX, NULL, ww_dependencies,
	"swoole", ext_functions,
	PHP_MINIT(swoole), NULL, NULL, PHP_RSHUTDOWN(swoole), PHP_MINFO(swoole),
	SWOOLE_API_VERSION, STANDARD_MODULE_PROPERTIES
};

zend_module_entry *ww_module(void)
{
	return &ww_module_entry;
}
