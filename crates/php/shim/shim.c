/* What the Zend API offers as macros only, as functions for Rust; object handlers. */
#include "shim.h"
#include "ext/spl/spl_array.h"
#include "ext/standard/basic_functions.h"

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

zend_class_entry *ww_classes[WW_CLASSES];
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

zend_object *ww_create(zend_class_entry *class, ww_family family)
{
	ww_object *object = zend_object_alloc(sizeof(ww_object), class);
	object->state = ww_state_new(family);
	zend_object_std_init(&object->std, class);
	object->std.handlers = &ww_handlers[family];
	object_properties_init(&object->std, class);
	return &object->std;
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

static zend_class_entry *ww_table_class;

/* So has foreach over a table. A subclass that overrides a method of the iterator does not come here: PHP sees to it. */
static zend_object_iterator *ww_walk_table(zend_class_entry *class, zval *table, int by_reference)
{
	zval own;
	object_init_ex(&own, ww_table_class);
	ww_table_share(ww_object_of(Z_OBJ_P(table))->state, ww_object_of(Z_OBJ(own))->state);
	zend_object_iterator *iterator = ww_user_iterator(ww_table_class, &own, by_reference);
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

/* A new object of a class whose constructor takes one argument. */
void ww_object_new_with(zval *to, int class, zval *argument)
{
	object_init_ex(to, ww_classes[class]);
	zend_call_known_instance_method_with_1_params(ww_classes[class]->constructor, Z_OBJ_P(to), NULL, argument);
}

/* A coroutine's own array of things, whose elements are properties as well. */
void ww_things_new(zval *to, int class)
{
	zval none, flags;
	object_init_ex(to, ww_classes[class]);
	ZVAL_EMPTY_ARRAY(&none);
	ZVAL_LONG(&flags, SPL_ARRAY_ARRAY_AS_PROPS);
	zend_call_known_instance_method_with_2_params(ww_classes[class]->constructor, Z_OBJ_P(to), NULL, &none, &flags);
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

/* ---- classes ---- */

static void ww_init_handlers(zend_object_handlers *handlers)
{
	memcpy(handlers, zend_get_std_object_handlers(), sizeof(*handlers));
	handlers->clone_obj = NULL;
	handlers->unset_property = ww_unset_property;
}

/* Subclasses, native and PHP's own, inherit create_object. */
zend_class_entry *ww_class_of_family(ww_family family, zend_class_entry *class, zend_object *(*create)(zend_class_entry *))
{
	zend_object_handlers *handlers = &ww_handlers[family];
	ww_init_handlers(handlers);
	handlers->offset = offsetof(ww_object, std);
	handlers->free_obj = ww_free;
	handlers->get_gc = ww_get_gc;
	class->create_object = create;
	return class;
}

void ww_class_of_frames(zend_class_entry *class)
{
	ww_init_handlers(&ww_frame_handlers);
	class->create_object = ww_create_frame;
}

/* Of which there is one in each server only. */
void ww_class_of_connections(zend_class_entry *class)
{
	ww_handlers[WW_ITERATOR].get_constructor = ww_refuse_new;
	ww_user_iterator = class->get_iterator;
	class->get_iterator = ww_walk_connections;
}

void ww_class_of_tables(zend_class_entry *class)
{
	ww_table_class = class;
	ww_user_iterator = class->get_iterator;
	class->get_iterator = ww_walk_table;
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
	if (UNEXPECTED(EG(exception) != NULL) && ww_has_failed() && zend_is_unwind_exit(EG(exception))) {
		/* Where it can, PHP unwinds after a fatal error (the memory limit) as exit() does. It is one all the same. */
		zend_clear_exception();
		return WW_BAILOUT;
	}
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

/* The pending exception, which is none any more; false if there was none. */
bool ww_exception_take(zval *to)
{
	if (EG(exception) == NULL) {
		return false;
	}
	ZVAL_OBJ_COPY(to, EG(exception));
	zend_clear_exception();
	return true;
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

/* Unwinds a coroutine: `finally` runs, nothing catches it. */
void ww_graceful_exit(void)
{
	zend_throw_graceful_exit();
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

int ww_exit_status(void)
{
	return EG(exit_status);
}

/* In a child: what is to be called at the end of the script is the parent's. Nothing is released: that may run PHP. */
void ww_shutdown_functions_forget(void)
{
	BG(user_shutdown_function_names) = NULL;
}

void ww_shutdown_functions_call(void)
{
	php_call_shutdown_functions();
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

/* A fatal error has ended the request. */
bool ww_has_failed(void)
{
	return CG(unclean_shutdown);
}

void ww_print(const char *text, size_t length)
{
	php_output_write(text, length);
}

/* The script ends with a call of this. */
bool ww_at_shutdown(const char *callable, size_t length)
{
	php_shutdown_function_entry entry;
	zval name;
	memset(&entry, 0, sizeof(entry));
	ZVAL_STRINGL(&name, callable, length);
	if (zend_fcall_info_init(&name, 0, &entry.fci, &entry.fci_cache, NULL, NULL) == FAILURE) {
		zval_ptr_dtor(&name);
		return false;
	}
	return append_user_shutdown_function(&entry);
}

/* Does open_basedir let a script have this file? If not, PHP warns. */
bool ww_path_allowed(const char *path)
{
	return php_check_open_basedir(path) == 0;
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
