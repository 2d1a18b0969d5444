/* Contexts: stacks for PHP code to run on, switched with Zend's own fiber switcher. */
#include "saved.h"
#include "zend_builtin_functions.h"
#include "zend_fibers.h"

struct ww_context {
	zend_fiber_context own;         /* first: Zend hands out its address */
	zend_fiber_context *at;         /* where to go on: here, or in a Fiber of the script's that runs inside */
	zend_execute_data *suspended;   /* the innermost frame while it is suspended */
	zend_vm_stack vm_stack;
	ww_context *then;               /* where to go at its end */
};

static int ww_kind;
static zend_function ww_bottom = { ZEND_INTERNAL_FUNCTION };

/* PHP's warnings name the function that runs: at the bottom of a context it is this one. */
void ww_contexts_begin(void)
{
	ww_saving_begin();
	ww_bottom.common.function_name = zend_string_init_interned(ZEND_STRL("{loop}"), true);
}

static void ww_cleanup(zend_fiber_context *own)
{
	ww_context *context = (ww_context *) own;
	zend_vm_stack current = EG(vm_stack);
	EG(vm_stack) = context->vm_stack;
	zend_vm_stack_destroy();
	EG(vm_stack) = current;
}

static ZEND_STACK_ALIGNED void ww_enter(zend_fiber_transfer *transfer)
{
	ww_context *context = (ww_context *) EG(current_fiber_context);
	zend_long error_reporting = INI_INT("error_reporting");
	if (error_reporting == 0 && INI_STR("error_reporting") == NULL) {
		error_reporting = E_ALL;
	}
	EG(vm_stack) = NULL;
	EG(active_fiber) = NULL;
	zend_first_try {
		zend_vm_stack stack = zend_vm_stack_new_page(ZEND_FIBER_VM_STACK_SIZE, NULL);
		EG(vm_stack) = stack;
		EG(vm_stack_top) = stack->top + ZEND_CALL_FRAME_SLOT;
		EG(vm_stack_end) = stack->end;
		EG(vm_stack_page_size) = ZEND_FIBER_VM_STACK_SIZE;
		zend_execute_data *bottom = (zend_execute_data *) stack->top;
		memset(bottom, 0, sizeof(*bottom));
		bottom->func = &ww_bottom;
		EG(current_execute_data) = bottom;
		EG(jit_trace_num) = 0;
		EG(error_reporting) = (int) error_reporting;
#ifdef ZEND_CHECK_STACK_LIMIT
		EG(stack_base) = zend_fiber_stack_base(context->own.stack);
		EG(stack_limit) = zend_fiber_stack_limit(context->own.stack);
#endif
		ww_context_main(context);
	} zend_catch {
		/* Only the page for the frames is made outside of Rust's own guards. */
		ww_context_bailed_out(context);
	} zend_end_try();
	context->vm_stack = EG(vm_stack);
	context->own.cleanup = ww_cleanup;
	ZVAL_NULL(&transfer->value);
	transfer->flags = 0;
	transfer->context = context->then->at;
}

/* NULL when the process cannot have another stack. */
ww_context *ww_context_new(size_t stack_bytes)
{
	ww_context *context = calloc(1, sizeof(*context));
	if (context == NULL) {
		return NULL;
	}
	context->at = &context->own;
#if PHP_VERSION_ID >= 80400
	bool made = zend_fiber_init_context(&context->own, &ww_kind, ww_enter, stack_bytes) == SUCCESS;
#else
	bool made = zend_fiber_init_context(&context->own, &ww_kind, ww_enter, stack_bytes);
#endif
	if (!made) {
		/* It has thrown: whoever asked says it in their own words. */
		zend_clear_exception();
		free(context);
		return NULL;
	}
	return context;
}

/* The one that runs now, which Zend itself has made. */
ww_context *ww_context_adopt(void)
{
	ww_context *context = calloc(1, sizeof(*context));
	if (context != NULL) {
		context->at = EG(current_fiber_context);
	}
	return context;
}

/* One that was adopted, or that has come to its end, or that never began. */
void ww_context_free(ww_context *context)
{
	if (context->own.status == ZEND_FIBER_STATUS_INIT && context->own.stack != NULL) {
		zend_fiber_destroy_context(&context->own);
	}
	free(context);
}

/* One that will never go on: its stack is given back, and what is on it is lost. */
void ww_context_abandon(ww_context *context)
{
	if (context->own.stack != NULL && context->own.status != ZEND_FIBER_STATUS_DEAD) {
		zend_fiber_destroy_context(&context->own);
		context->own.stack = NULL;
	}
}

/* Goes on in `to`; comes back when somebody goes on here. */
void ww_context_switch(ww_context *from, ww_context *to)
{
	ww_saved saved;
	ww_save(&saved);
	ww_reset(&saved);
	from->at = EG(current_fiber_context);
	from->suspended = EG(current_execute_data);
	zend_fiber_transfer transfer = { .context = to->at, .flags = 0 };
	ZVAL_NULL(&transfer.value);
	zend_fiber_switch_context(&transfer);
	from->suspended = NULL;
	ww_restore(&saved);
}

/* Where to go on when the main function of `context` returns. */
void ww_context_ends_in(ww_context *context, ww_context *then)
{
	context->then = then;
}

/* Zend forbids to leave a destructor, for one. */
bool ww_context_is_blocked(void)
{
	return zend_fiber_switch_blocked();
}

/* The calls that a suspended context is in, as debug_backtrace() shows them. */
void ww_context_trace(ww_context *context, zval *to, zend_long options, zend_long limit)
{
	zend_execute_data *current = EG(current_execute_data);
	if (context->suspended != NULL) {
		EG(current_execute_data) = context->suspended;
	}
	zend_fetch_debug_backtrace(to, context->suspended != NULL ? 0 : 1, (int) options, (int) limit);
	EG(current_execute_data) = current;
}

/* What a coroutine left of its output buffers is written out, as at the end of a script. */
void ww_output_end_to(int level)
{
	while (php_output_get_level() > level) {
		php_output_end();
	}
}

int ww_output_level(void)
{
	return php_output_get_level();
}
