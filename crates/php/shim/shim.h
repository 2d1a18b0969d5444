/* The border between Zend and Rust: what shim.c offers to Rust, and what it asks of it.
 *
 * Marked (bails): may leave by longjmp when memory runs out or PHP code ends fatally. Rust calls those inside
 * ww_guard() only, from frames without destructors. */
#ifndef WIREWOOL_SHIM_H
#define WIREWOOL_SHIM_H

#include "php.h"  /* first: it decides what the system headers declare */
#include "php_main.h"
#include "php_variables.h"
#include "SAPI.h"
#include "zend_exceptions.h"
#include "zend_interfaces.h"
#include "zend_attributes.h"
#include "zend_smart_str.h"
#include "ext/random/php_random.h"
#include "ext/standard/info.h"
#include "ext/standard/php_var.h"

#include <limits.h>
#include <signal.h>
#include <sys/resource.h>

#ifdef ZTS
# error "Wirewool needs a PHP without thread safety (NTS): this php-config belongs to a ZTS build"
#endif
#if PHP_VERSION_ID < 80200
# error "Wirewool needs PHP 8.2 or later"
#endif

/* What src/zend/layout.rs mirrors. */
_Static_assert(sizeof(zval) == 16, "zval");
_Static_assert(offsetof(zval, u1.type_info) == 8, "zval.u1.type_info");
_Static_assert(offsetof(zval, u2) == 12, "zval.u2");
_Static_assert(offsetof(zend_string, len) == 16, "zend_string.len");
_Static_assert(offsetof(zend_string, val) == 24, "zend_string.val");
_Static_assert(offsetof(zend_execute_data, This) == 32, "zend_execute_data.This");
_Static_assert(ZEND_CALL_FRAME_SLOT == 5, "arguments of a call");
_Static_assert(sizeof(zend_long) == 8, "64-bit integers");
_Static_assert(IS_UNDEF == 0 && IS_NULL == 1 && IS_FALSE == 2 && IS_TRUE == 3 && IS_LONG == 4 && IS_DOUBLE == 5, "types");
_Static_assert(IS_STRING == 6 && IS_ARRAY == 7 && IS_OBJECT == 8 && IS_RESOURCE == 9 && IS_REFERENCE == 10, "types");
_Static_assert(Z_TYPE_FLAGS_SHIFT == 8, "type flags");

/* Mirrored in src/zend/ffi.rs. */
typedef enum { WW_OK, WW_THREW, WW_EXIT, WW_BAILOUT } ww_status;

/* Classes whose objects carry Rust state in front of the Zend object. */
typedef enum { WW_SERVER, WW_REQUEST, WW_RESPONSE, WW_ITERATOR, WW_ATOMIC, WW_ATOMIC_LONG, WW_TABLE,
	WW_CHANNEL, WW_WAIT_GROUP, WW_BATCH, WW_CLIENT, WW_TASK, WW_PROCESS, WW_PORT, WW_FAMILIES } ww_family;

/* Classes that Rust makes objects or exceptions of, or asks about. */
typedef enum { WW_CLASS_REQUEST, WW_CLASS_RESPONSE, WW_CLASS_ITERATOR, WW_CLASS_FRAME, WW_CLASS_CLOSE_FRAME,
	WW_CLASS_EXCEPTION, WW_CLASS_ERROR, WW_CLASS_BAD_METHOD_CALL, WW_CLASS_COROUTINE_CONTEXT,
	WW_CLASS_COROUTINE_ITERATOR, WW_CLASS_TIMER_ITERATOR, WW_CLASS_HTTP_SERVER, WW_CLASS_WEBSOCKET_SERVER,
	WW_CLASS_CLIENT_EXCEPTION, WW_CLASS_TASK, WW_CLASS_EVENT, WW_CLASS_PIPE_MESSAGE, WW_CLASS_STATUS_INFO,
	WW_CLASS_TASK_RESULT, WW_CLASS_PACKET, WW_CLASS_PORT, WW_CLASSES } ww_class;

typedef struct { void *state; zend_object std; } ww_object;

typedef struct ww_context ww_context;

typedef struct { zval callable; zend_fcall_info fci; zend_fcall_info_cache fcc; } ww_callback;

/* A name that Rust defines without exporting it from the library: the linker gives the definition the most hidden
 * visibility that any object asks for. */
#pragma GCC visibility push(hidden)

/* In Rust: src/native.rs, src/iterator.rs, src/table.rs, src/coroutine/, src/zend/module.rs. */
extern void *ww_state_new(int family);
extern bool ww_state_free(int family, void *state);                 /* true: a bailout is owed */
extern zval *ww_state_held(int family, void *state, size_t index);  /* NULL after the last one */
extern void ww_connections_share(const void *from, const void *to);  /* states of the family WW_ITERATOR */
extern void ww_table_share(const void *from, const void *to);        /* states of the family WW_TABLE */
extern void ww_request_ended(void);
extern zend_long ww_exit_flags(void);                                /* 0: exit() ends the process */
extern void ww_context_main(ww_context *context);                   /* catches what it calls */
extern void ww_context_bailed_out(ww_context *context);

extern int ww_guard(void (*run)(void *), void *data);
extern ZEND_NORETURN void ww_bailout(void);

extern zend_string *ww_string_new(const char *bytes, size_t length);                      /* (bails) */
extern void ww_string_release(zend_string *string);
extern void ww_set_string(zval *to, zend_string *string);
extern void ww_copy(zval *to, zval *from);
extern void ww_set_object(zval *to, zend_object *object);
extern void ww_release(zval *value);                                                      /* (bails) */
extern zend_string *ww_to_string(zval *from);                                             /* (bails) */
/* As serialize() and unserialize() do; an exception may be pending then. */
extern zend_string *ww_serialize(zval *from);                                             /* (bails) */
extern bool ww_unserialize(zval *to, const char *bytes, size_t length);                   /* (bails) */
extern zend_long ww_to_long(zval *from);                                                  /* (bails) */
extern double ww_to_double(zval *from);                                                   /* (bails) */
extern bool ww_to_bool(zval *from);                                                       /* (bails) */

extern bool ww_argument_string(uint32_t number, zval *argument, zend_string **to);        /* (bails) */
extern bool ww_argument_long(uint32_t number, zval *argument, zend_long *to);             /* (bails) */
extern bool ww_argument_double(uint32_t number, zval *argument, double *to);              /* (bails) */
extern void ww_argument_not_callable(uint32_t number, zval *argument);                    /* (bails) */
extern bool ww_argument_bool(uint32_t number, zval *argument, bool *to);                  /* (bails) */
extern void ww_argument_not_array(uint32_t number, zval *argument);                       /* (bails) */

extern int ww_descriptor(zval *value);                                                    /* (bails) */

extern void ww_array_new(zval *to, uint32_t size);                                        /* (bails) */
extern void ww_array_set(zval *array, const char *key, size_t length, zval *value);       /* (bails) */
extern void ww_array_push(zval *array, zval *value);                                      /* (bails) */
extern void ww_array_merge(zval *array, zval *from);                                      /* (bails) */
extern size_t ww_array_count(const zend_array *array);
extern zval *ww_array_find(const zend_array *array, const char *key, size_t length);
extern zval *ww_array_next(zend_array *array, uint32_t *position, zend_string **key, zend_ulong *index);
extern bool ww_array_parse(zval *array, const char *bytes, size_t length);                /* (bails) */
extern bool ww_array_register(zval *array, const char *name, const char *value, size_t length);  /* (bails) */

extern zend_class_entry *ww_classes[WW_CLASSES];
extern zend_object *ww_create(zend_class_entry *class, ww_family family);                 /* (bails) */
extern zend_class_entry *ww_class_of_family(ww_family family, zend_class_entry *class,
	zend_object *(*create)(zend_class_entry *));
extern void ww_class_of_frames(zend_class_entry *class);
extern void ww_class_of_connections(zend_class_entry *class);
extern void ww_class_of_tables(zend_class_entry *class);
extern void *ww_state(zend_object *object, int family);
extern void ww_object_new(zval *to, int class);                                           /* (bails) */
extern void ww_object_new_with(zval *to, int class, zval *argument);                      /* (bails) */
extern void ww_things_new(zval *to, int class);                                           /* (bails) */
extern bool ww_instance_of(const zend_object *object, int class);
extern zend_string *ww_class_name(const zend_object *object);
extern zval *ww_property(zend_object *object, uint32_t slot);
extern zval *ww_property_named(zend_object *object, const char *name, size_t length, zval *room);  /* (bails) */
extern void ww_property_set(zend_object *object, uint32_t slot, zval *value);             /* (bails) */
extern void ww_frame_new(zval *to, int class, zend_long fd, zend_long opcode, zend_long flags, bool finish,
	zend_string *data);                                                                     /* (bails) */

extern ww_callback *ww_callback_new(zval *callable, zend_string **name);                  /* (bails) */
extern void ww_callback_free(ww_callback *callback);                                      /* (bails) */
extern zval *ww_callback_callable(ww_callback *callback);
extern int ww_callback_call(ww_callback *callback, uint32_t count, zval *arguments, zval *result);

extern int ww_exception_pending(void);
extern bool ww_exception_take(zval *to);                                                 /* (bails) */
extern void ww_exception_clear(void);                                                     /* (bails) */
extern void ww_exception_report(void);                                                    /* (bails) */
extern void ww_exception_throw(int class, const char *message, size_t length, zend_long code);  /* (bails) */
extern void ww_unwind_exit(void);                                                         /* (bails) */
extern void ww_graceful_exit(void);                                                       /* (bails) */
extern void ww_warning(int level, const char *text, size_t length);                       /* (bails) */

extern void ww_exit_status_set(int status);
extern int ww_exit_status(void);
extern void ww_shutdown_functions_forget(void);
extern void ww_shutdown_functions_call(void);                                             /* (bails) */
extern const char *ww_sapi_name(void);
extern void ww_output_flush(void);                                                        /* (bails) */
extern void ww_forked(void);
extern bool ww_has_failed(void);
extern bool ww_process_title(zend_string *title);                                         /* (bails) */
extern bool ww_path_allowed(const char *path);                                            /* (bails) */

extern void ww_contexts_begin(void);
extern void ww_saving_begin(void);
extern ww_context *ww_context_new(size_t stack_bytes);
extern ww_context *ww_context_adopt(void);
extern void ww_context_free(ww_context *context);
extern void ww_context_abandon(ww_context *context);
extern void ww_context_switch(ww_context *from, ww_context *to);
extern void ww_context_ends_in(ww_context *context, ww_context *then);
extern bool ww_context_is_blocked(void);
extern void ww_context_trace(ww_context *context, zval *to, zend_long options, zend_long limit);  /* (bails) */
extern void ww_output_end_to(int level);                                                  /* (bails) */
extern int ww_output_level(void);

extern zend_class_entry *ww_exit_exception;
extern void ww_exit_begin(void);
extern void ww_exit_end(void);
extern bool ww_exit_take_status(zval *status);                                            /* (bails) */
extern void ww_exit_with(zval *status);                                                   /* (bails) */
extern bool ww_at_shutdown(const char *callable, size_t length);                          /* (bails) */
extern void ww_print(const char *text, size_t length);                                    /* (bails) */

extern zend_module_entry *ww_module(void);

#pragma GCC visibility pop
#endif
