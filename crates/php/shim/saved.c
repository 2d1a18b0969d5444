/* Keeps for a context what Zend's switch leaves as it is. */
#include "saved.h"
#include "zend_observer.h"

static ww_error ww_last_error;

static const zend_op *ww_opline_of(const zend_execute_data *frame)
{
	return frame != NULL && frame->func != NULL && ZEND_USER_CODE(frame->func->type) ? frame->opline : NULL;
}

/* An error is about to be told: to the script's handler, if there is one. */
static void ww_hear_error(int type, zend_string *file, uint32_t line, zend_string *message)
{
	static const int never = E_ERROR | E_PARSE | E_CORE_ERROR | E_CORE_WARNING | E_COMPILE_ERROR | E_COMPILE_WARNING;
	zend_fcall_info_cache fcc;
	if ((type & never) != 0 || Z_TYPE(EG(user_error_handler)) == IS_UNDEF
			|| !zend_is_callable_ex(&EG(user_error_handler), NULL, IS_CALLABLE_SUPPRESS_DEPRECATIONS, NULL, &fcc,
				NULL)) {
		return;
	}
	ww_last_error.frame = EG(current_execute_data);
	ww_last_error.opline = ww_opline_of(EG(current_execute_data));
	ww_last_error.function = fcc.function_handler;
	ZVAL_COPY_VALUE(&ww_last_error.handler, &EG(user_error_handler));
	zend_release_fcall_info_cache(&fcc);
}

void ww_saving_begin(void)
{
	zend_observer_error_register(ww_hear_error);
}

/* Does the handler run that was told of the last error? Then it is between the frame of that error and this one. */
static bool ww_handler_runs(void)
{
	const zend_execute_data *frame = EG(current_execute_data);
	bool found = false;
	if (ww_last_error.frame == NULL) {
		return false;
	}
	while (frame != NULL && frame != ww_last_error.frame) {
		found = found || frame->func == ww_last_error.function;
		frame = frame->prev_execute_data;
	}
	return found && frame != NULL && ww_opline_of(frame) == ww_last_error.opline;
}

/* While a handler runs there is none, so that it does not hear of its own errors. Others have it meanwhile. */
static void ww_put_back_handler(ww_saved *saved)
{
	saved->error = ww_last_error;
	ZVAL_UNDEF(&saved->running_error_handler);
	if (Z_TYPE(EG(user_error_handler)) == IS_UNDEF && ww_handler_runs()) {
		ZVAL_COPY(&EG(user_error_handler), &ww_last_error.handler);
		ZVAL_COPY_VALUE(&saved->running_error_handler, &ww_last_error.handler);
	}
	ww_last_error.frame = NULL;
}

/* Unless somebody has set another one: Zend keeps that when this one returns. */
static void ww_take_handler(ww_saved *saved)
{
	zval *handler = &EG(user_error_handler);
	ww_last_error = saved->error;
	if (Z_TYPE(saved->running_error_handler) != IS_UNDEF && Z_TYPE_P(handler) == Z_TYPE(saved->running_error_handler)
			&& Z_COUNTED_P(handler) == Z_COUNTED(saved->running_error_handler)) {
		zval_ptr_dtor(handler);
		ZVAL_UNDEF(handler);
	}
}

/* Zend forbids to leave a destructor. What that one begins or wakes may wait: it comes back here, as a call does. */
static unsigned ww_unblock(void)
{
	unsigned count = 0;
	while (zend_fiber_switch_blocked()) {
		zend_fiber_switch_unblock();
		count++;
	}
	return count;
}

void ww_save(ww_saved *saved)
{
	saved->blocked = ww_unblock();
	saved->exception = EG(exception);
	saved->prev_exception = EG(prev_exception);
	saved->opline_before_exception = EG(opline_before_exception);
	saved->error_handling = EG(error_handling);
	saved->exception_class = EG(exception_class);
	saved->serialize_lock = BG(serialize_lock);
	saved->serialize_data = BG(serialize).data;
	saved->serialize_level = BG(serialize).level;
	saved->unserialize_data = BG(unserialize).data;
	saved->unserialize_level = BG(unserialize).level;
	saved->user_compare_fci = BG(user_compare_fci);
	saved->user_compare_fci_cache = BG(user_compare_fci_cache);
	saved->in_autoload = NULL;
	if (EG(in_autoload) != NULL && zend_hash_num_elements(EG(in_autoload)) > 0) {
		saved->in_autoload = EG(in_autoload);
		EG(in_autoload) = NULL;
	}
	ww_put_back_handler(saved);
	saved->buffers_output = zend_stack_count(&OG(handlers)) > 0;
	if (saved->buffers_output) {
		memcpy(&saved->output, &output_globals, sizeof(saved->output));
	}
}

/* Whether and where the process has begun to write does not depend on who asks. */
static void ww_keep_first_output(const zend_output_globals *from)
{
	OG(flags) = from->flags;
	OG(output_start_filename) = from->output_start_filename;
	OG(output_start_lineno) = from->output_start_lineno;
}

/* As it is when no PHP code runs. */
void ww_reset(const ww_saved *saved)
{
	EG(exception) = NULL;
	EG(prev_exception) = NULL;
	EG(opline_before_exception) = NULL;
	EG(error_handling) = EH_NORMAL;
	EG(exception_class) = NULL;
	BG(serialize_lock) = 0;
	BG(serialize).data = NULL;
	BG(serialize).level = 0;
	BG(unserialize).data = NULL;
	BG(unserialize).level = 0;
	BG(user_compare_fci) = empty_fcall_info;
	BG(user_compare_fci_cache) = empty_fcall_info_cache;
	if (saved->buffers_output) {
		php_output_activate();
		ww_keep_first_output(&saved->output);
	}
}

void ww_restore(ww_saved *saved)
{
	for (ww_unblock(); saved->blocked > 0; saved->blocked--) {
		zend_fiber_switch_block();
	}
	EG(exception) = saved->exception;
	EG(prev_exception) = saved->prev_exception;
	EG(opline_before_exception) = saved->opline_before_exception;
	EG(error_handling) = saved->error_handling;
	EG(exception_class) = saved->exception_class;
	BG(serialize_lock) = saved->serialize_lock;
	BG(serialize).data = saved->serialize_data;
	BG(serialize).level = saved->serialize_level;
	BG(unserialize).data = saved->unserialize_data;
	BG(unserialize).level = saved->unserialize_level;
	BG(user_compare_fci) = saved->user_compare_fci;
	BG(user_compare_fci_cache) = saved->user_compare_fci_cache;
	if (saved->in_autoload != NULL) {
		/* Whoever ran meanwhile has kept theirs, but maybe left an empty one. */
		if (EG(in_autoload) != NULL) {
			zend_hash_destroy(EG(in_autoload));
			FREE_HASHTABLE(EG(in_autoload));
		}
		EG(in_autoload) = saved->in_autoload;
	}
	ww_take_handler(saved);
	if (saved->buffers_output) {
		/* Whoever ran meanwhile left no buffer, but maybe the room for their list. */
		zend_output_globals meanwhile;
		zend_stack_destroy(&OG(handlers));
		memcpy(&meanwhile, &output_globals, sizeof(meanwhile));
		memcpy(&output_globals, &saved->output, sizeof(saved->output));
		ww_keep_first_output(&meanwhile);
	}
}
