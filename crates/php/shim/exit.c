/* exit() inside a coroutine or a server: an exception, that others go on. */
#include "shim.h"

zend_class_entry *ww_exit_exception;

static void ww_throw_exit(zend_long flags, zval *status)
{
	zend_class_entry *class = ww_exit_exception;
	zval value;
	zend_object *exception = zend_throw_exception(class, "swoole exit", 0);
	ZVAL_LONG(&value, flags);
	zend_update_property(class, exception, ZEND_STRL("flags"), &value);
	zend_update_property(class, exception, ZEND_STRL("status"), status);
}

#if PHP_VERSION_ID < 80400
/* exit is an instruction, not a function. */
static user_opcode_handler_t ww_previous;

static int ww_exit_instruction(zend_execute_data *execute_data)
{
	const zend_op *opline = EX(opline);
	zend_long flags = ww_exit_flags();
	if (flags == 0) {
		return ww_previous != NULL ? ww_previous(execute_data) : ZEND_USER_OPCODE_DISPATCH;
	}
	zval status, *given = NULL;
	ZVAL_NULL(&status);
	if (opline->op1_type == IS_CONST) {
		given = RT_CONSTANT(opline, opline->op1);
	} else if (opline->op1_type != IS_UNUSED) {
		given = EX_VAR(opline->op1.var);
	}
	if (given != NULL) {
		ZVAL_COPY_DEREF(&status, given);
		if (opline->op1_type & (IS_TMP_VAR | IS_VAR)) {
			zval_ptr_dtor(given);
		}
	}
	ww_throw_exit(flags, &status);
	zval_ptr_dtor(&status);
	return ZEND_USER_OPCODE_CONTINUE;
}

void ww_exit_begin(void)
{
	ww_previous = zend_get_user_opcode_handler(ZEND_EXIT);
	zend_set_user_opcode_handler(ZEND_EXIT, ww_exit_instruction);
}

void ww_exit_end(void)
{
	zend_set_user_opcode_handler(ZEND_EXIT, ww_previous);
}
#else
static zif_handler ww_exit;
static zend_internal_function *ww_exit_function;

static ZEND_NAMED_FUNCTION(ww_exit_call)
{
	zend_long flags = ww_exit_flags();
	if (flags == 0) {
		ww_exit(INTERNAL_FUNCTION_PARAM_PASSTHRU);
		return;
	}
	zend_string *text = NULL;
	zend_long number = 0;
	zval status;
	ZEND_PARSE_PARAMETERS_START(0, 1)
		Z_PARAM_OPTIONAL
		Z_PARAM_STR_OR_LONG(text, number)
	ZEND_PARSE_PARAMETERS_END();
	if (ZEND_NUM_ARGS() == 0) {
		ZVAL_NULL(&status);
	} else if (text != NULL) {
		ZVAL_STR(&status, text);
	} else {
		ZVAL_LONG(&status, number);
	}
	ww_throw_exit(flags, &status);
}

void ww_exit_begin(void)
{
	zend_function *function = zend_hash_str_find_ptr(CG(function_table), ZEND_STRL("exit"));
	if (function != NULL) {
		ww_exit_function = &function->internal_function;
		ww_exit = ww_exit_function->handler;
		ww_exit_function->handler = ww_exit_call;
	}
}

void ww_exit_end(void)
{
	if (ww_exit_function != NULL) {
		ww_exit_function->handler = ww_exit;
	}
}
#endif

/* If what is pending is that exception: takes it away, and says what exit() was called with. */
bool ww_exit_take_status(zval *status)
{
	zend_class_entry *class = ww_exit_exception;
	zval room;
	if (EG(exception) == NULL || !instanceof_function(EG(exception)->ce, class)) {
		return false;
	}
	zend_object *exception = EG(exception);
	GC_ADDREF(exception);
	zend_clear_exception();
	ZVAL_COPY_DEREF(status, zend_read_property(class, exception, ZEND_STRL("status"), true, &room));
	OBJ_RELEASE(exception);
	return true;
}

/* What exit() does with its argument. */
void ww_exit_with(zval *status)
{
	if (Z_TYPE_P(status) == IS_LONG) {
		EG(exit_status) = (int) Z_LVAL_P(status);
	} else if (Z_TYPE_P(status) == IS_TRUE || Z_TYPE_P(status) == IS_DOUBLE) {
		EG(exit_status) = (int) zval_get_long(status);
	} else if (Z_TYPE_P(status) != IS_NULL) {
		zend_string *text = zval_get_string(status);
		php_output_write(ZSTR_VAL(text), ZSTR_LEN(text));
		zend_string_release(text);
	}
}
