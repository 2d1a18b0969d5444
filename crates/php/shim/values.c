/* PHP values as Rust handles them: strings, casts, arguments, arrays. */
#include "shim.h"
#include "php_network.h"
#if __has_include("ext/sockets/php_sockets.h")
/* Undefined where PHP has them as an extension of their own; only what is inline is used. */
# ifndef HAVE_SOCKETS
#  define HAVE_SOCKETS 1
# endif
# include "ext/sockets/php_sockets.h"
# define WW_HAS_SOCKETS
#endif

/* ---- values ---- */

zend_string *ww_string_new(const char *bytes, size_t length)
{
	return zend_string_init_fast(bytes, length);
}

void ww_string_release(zend_string *string)
{
	zend_string_release(string);
}

void ww_set_string(zval *to, zend_string *string)
{
	ZVAL_STR(to, string);
}

void ww_copy(zval *to, zval *from)
{
	ZVAL_COPY_DEREF(to, from);
}

void ww_set_object(zval *to, zend_object *object)
{
	ZVAL_OBJ_COPY(to, object);
}

void ww_release(zval *value)
{
	zval_ptr_dtor(value);
}

zend_string *ww_to_string(zval *from)
{
	return zval_get_string(from);
}

zend_string *ww_serialize(zval *from)
{
	php_serialize_data_t data;
	smart_str text = { 0 };
	PHP_VAR_SERIALIZE_INIT(data);
	php_var_serialize(&text, from, &data);
	PHP_VAR_SERIALIZE_DESTROY(data);
	return smart_str_extract(&text);
}

bool ww_unserialize(zval *to, const char *bytes, size_t length)
{
	php_unserialize_data_t data;
	const unsigned char *at = (const unsigned char *) bytes;
	PHP_VAR_UNSERIALIZE_INIT(data);
	bool done = php_var_unserialize(to, &at, at + length, &data);
	PHP_VAR_UNSERIALIZE_DESTROY(data);
	return done;
}

zend_long ww_to_long(zval *from)
{
	return zval_get_long(from);
}

double ww_to_double(zval *from)
{
	return zval_get_double(from);
}

bool ww_to_bool(zval *from)
{
	return zend_is_true(from);
}

/* ---- arguments: the coercions and the errors of the fast ZPP ---- */

bool ww_argument_string(uint32_t number, zval *argument, zend_string **to)
{
	if (zend_parse_arg_str(argument, to, false, number)) {
		return true;
	}
	zend_wrong_parameter_type_error(number, Z_EXPECTED_STRING, argument);
	return false;
}

bool ww_argument_long(uint32_t number, zval *argument, zend_long *to)
{
	bool is_null;
	if (zend_parse_arg_long(argument, to, &is_null, false, number)) {
		return true;
	}
	zend_wrong_parameter_type_error(number, Z_EXPECTED_LONG, argument);
	return false;
}

bool ww_argument_double(uint32_t number, zval *argument, double *to)
{
	bool is_null;
	if (zend_parse_arg_double(argument, to, &is_null, false, number)) {
		return true;
	}
	zend_wrong_parameter_type_error(number, Z_EXPECTED_DOUBLE, argument);
	return false;
}

void ww_argument_not_callable(uint32_t number, zval *argument)
{
	char *error = NULL;
	if (zend_is_callable_ex(argument, NULL, 0, NULL, NULL, &error)) {
		return;
	}
	if (error == NULL) {
		zend_wrong_parameter_type_error(number, Z_EXPECTED_FUNC, argument);
		return;
	}
	zend_argument_type_error(number, "must be a valid callback, %s", error);
	efree(error);
}

bool ww_argument_bool(uint32_t number, zval *argument, bool *to)
{
	bool is_null;
	if (zend_parse_arg_bool(argument, to, &is_null, false, number)) {
		return true;
	}
	zend_wrong_parameter_type_error(number, Z_EXPECTED_BOOL, argument);
	return false;
}

void ww_argument_not_array(uint32_t number, zval *argument)
{
	zend_wrong_parameter_type_error(number, Z_EXPECTED_ARRAY, argument);
}

/* ---- arrays ---- */

void ww_array_new(zval *to, uint32_t size)
{
	array_init_size(to, size);
}

void ww_array_set(zval *array, const char *key, size_t length, zval *value)
{
	SEPARATE_ARRAY(array);
	zend_symtable_str_update(Z_ARRVAL_P(array), key, length, value);
}

void ww_array_push(zval *array, zval *value)
{
	SEPARATE_ARRAY(array);
	zend_hash_next_index_insert(Z_ARRVAL_P(array), value);
}

void ww_array_merge(zval *array, zval *from)
{
	SEPARATE_ARRAY(array);
	zend_hash_merge(Z_ARRVAL_P(array), Z_ARRVAL_P(from), zval_add_ref, true);
}

size_t ww_array_count(const zend_array *array)
{
	return zend_hash_num_elements(array);
}

zval *ww_array_find(const zend_array *array, const char *key, size_t length)
{
	return zend_symtable_str_find((zend_array *) array, key, length);
}

/* The element at or behind *position (0 to begin with), which moves on; NULL behind the last one. */
zval *ww_array_next(zend_array *array, uint32_t *position, zend_string **key, zend_ulong *index)
{
	HashPosition at = *position;
	zval *value = zend_hash_get_current_data_ex(array, &at);
	if (value == NULL) {
		return NULL;
	}
	*key = NULL;
	zend_hash_get_current_key_ex(array, key, index, &at);
	zend_hash_move_forward_ex(array, &at);
	*position = at;
	ZVAL_DEREF(value);
	return value;
}

typedef struct { zval *array; const char *name; const char *bytes; size_t length; } ww_variables;

static void (*ww_error_cb)(int type, zend_string *file, const uint32_t line, zend_string *message);
static bool ww_warned;

static void ww_swallow_warning(int type, zend_string *file, const uint32_t line, zend_string *message)
{
	if (type & (E_WARNING | E_NOTICE | E_DEPRECATED)) {
		ww_warned = true;
	} else {
		ww_error_cb(type, file, line, message);
	}
}

/* Reads what a peer has sent. That is no call of the script's: what PHP warns of (max_input_vars, nesting) must not
 * reach its error handler, which may throw. False if PHP warned: it dropped something. */
static bool ww_read_variables(void (*read)(const ww_variables *), const ww_variables *variables)
{
	zval handler;
	volatile bool bailed_out = false;
	ZVAL_COPY_VALUE(&handler, &EG(user_error_handler));
	ZVAL_UNDEF(&EG(user_error_handler));
	ww_error_cb = zend_error_cb;
	zend_error_cb = ww_swallow_warning;
	ww_warned = false;
	zend_try {
		read(variables);
	} zend_catch {
		bailed_out = true;
	} zend_end_try();
	zend_error_cb = ww_error_cb;
	ZVAL_COPY_VALUE(&EG(user_error_handler), &handler);
	if (bailed_out) {
		zend_bailout();
	}
	return !ww_warned;
}

static void ww_read_query(const ww_variables *query)
{
	sapi_module.treat_data(PARSE_STRING, estrndup(query->bytes, query->length), query->array);
}

static void ww_read_variable(const ww_variables *variable)
{
	php_register_variable_safe(variable->name, variable->bytes, variable->length, variable->array);
}

/* "a[b]=1&c=2" as parse_str() reads it: brackets, max_input_vars and all. False if PHP dropped something. */
bool ww_array_parse(zval *array, const char *bytes, size_t length)
{
	const ww_variables query = { array, NULL, bytes, length };
	return ww_read_variables(ww_read_query, &query);
}

/* False if PHP dropped it. */
bool ww_array_register(zval *array, const char *name, const char *value, size_t length)
{
	const ww_variables variable = { array, name, value, length };
	return ww_read_variables(ww_read_variable, &variable);
}

/* The descriptor that a number, a stream or a Socket means; -1 if it is none of them, or closed. */
int ww_descriptor(zval *value)
{
	if (Z_TYPE_P(value) == IS_LONG) {
		return Z_LVAL_P(value) >= 0 && Z_LVAL_P(value) <= INT_MAX ? (int) Z_LVAL_P(value) : -1;
	}
	if (Z_TYPE_P(value) == IS_RESOURCE) {
		int descriptor;
		php_stream *stream = zend_fetch_resource2_ex(value, NULL, php_file_le_stream(), php_file_le_pstream());
		if (stream != NULL && php_stream_cast(stream, PHP_STREAM_AS_FD_FOR_SELECT | PHP_STREAM_CAST_INTERNAL,
				(void *) &descriptor, false) == SUCCESS) {
			return descriptor;
		}
	}
#ifdef WW_HAS_SOCKETS
	if (Z_TYPE_P(value) == IS_OBJECT && zend_string_equals_literal(Z_OBJCE_P(value)->name, "Socket")) {
		return Z_SOCKET_P(value)->bsd_socket;
	}
#endif
	return -1;
}
