/* What Zend's switch leaves as it is, though it belongs to the code that runs. */
#ifndef WIREWOOL_SAVED_H
#define WIREWOOL_SAVED_H

#include "shim.h"
#include "zend_fibers.h"
#include "ext/standard/basic_functions.h"

/* The last error that the script's error handler was to hear of, and where it was raised. */
typedef struct {
	const zend_execute_data *frame;
	const zend_op *opline;
	const zend_function *function;
	zval handler;  /* not counted */
} ww_error;

typedef struct {
	zend_object *exception, *prev_exception;
	const zend_op *opline_before_exception;
	zend_error_handling_t error_handling;
	zend_class_entry *exception_class;
	unsigned serialize_lock;
	struct php_serialize_data *serialize_data;
	unsigned serialize_level;
	struct php_unserialize_data *unserialize_data;
	unsigned unserialize_level;
	zend_fcall_info user_compare_fci;
	zend_fcall_info_cache user_compare_fci_cache;
	unsigned blocked;  /* so many destructors run */
	HashTable *in_autoload;
	zval running_error_handler;
	ww_error error;
	bool buffers_output;
	zend_output_globals output;
} ww_saved;

#pragma GCC visibility push(hidden)
extern void ww_save(ww_saved *saved);
extern void ww_reset(const ww_saved *saved);
extern void ww_restore(ww_saved *saved);
#pragma GCC visibility pop
#endif
