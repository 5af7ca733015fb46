/* JSON as it is told: read back by cJSON's own parser, and whole or not there at all. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "host/base/json_text.h"

static const char whole[] = "{\"a\":1.5,\"list\":[{\"name\":\"x\"},null,true,0.1],\"text\":\"y\"}";

static char *made(void)
{
  struct json_object *o = json_object_create();
  json_add_number(o, "a", 1.5);
  struct json_object *list = json_add_array(o, "list"), *first = json_add_object(list, NULL);
  json_add_string(first, "name", "x");
  json_add_string(list, NULL, NULL);
  json_add_bool(list, NULL, true);
  json_add_number(list, NULL, 0.1);
  json_add_string(o, "text", "y");
  return json_print(o);
}

static void what_is_added_is_printed_in_its_order(void **state)
{
  (void)state;
  char *text = made();
  assert_string_equal(text, whole);
  free(text);
}

static int left; /* allocations that succeed */

static void *failing_malloc(size_t size)
{
  return left-- > 0 ? malloc(size) : NULL;
}

/* Whichever allocation is the one that fails: an object, a name, a string, the text. */
static void without_memory_there_is_no_text_rather_than_a_part(void **state)
{
  (void)state;
  cJSON_Hooks hooks = {failing_malloc, free};
  int failed = 0;
  char *text = NULL;
  for (int n = 0; n < 1000 && !text; n++) {
    cJSON_InitHooks(&hooks);
    left = n;
    text = made();
    cJSON_InitHooks(NULL);
    failed += !text;
  }
  assert_string_equal(text, whole);
  assert_true(failed > 10);
  free(text);
}

static void numbers_read_back_as_they_were(void **state)
{
  (void)state;
  const double numbers[] = {0.1, 0.1 + 0.2, 1e300 / 3, -5e-324, 123456789012345678.0, 0};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    struct json_object *o = json_object_create();
    json_add_number(o, "n", numbers[i]);
    char *text = json_print(o);
    assert_non_null(text);
    assert_true(strtod(strchr(text, ':') + 1, NULL) == numbers[i]);
    free(text);
  }
  struct json_object *o = json_object_create();
  json_add_number(o, "nan", NAN);
  json_add_number(o, "infinite", -INFINITY);
  char *text = json_print(o);
  assert_string_equal(text, "{\"nan\":null,\"infinite\":null}");
  free(text);
}

static void bytes_that_are_no_utf8_are_replaced_in_names_and_strings(void **state)
{
  (void)state;
  char long_one[9001];
  memset(long_one, 0xff, sizeof long_one - 1);
  long_one[sizeof long_one - 1] = 0;
  struct json_object *o = json_object_create();
  json_add_string(o, "n\xff\xc3\xa9", "a\xc3\"\n");
  json_add_string(o, "long", long_one);
  char *text = json_print(o);
  cJSON *json = cJSON_Parse(text);
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "n\xef\xbf\xbd\xc3\xa9")),
                      "a\xef\xbf\xbd\"\n");
  const char *replaced = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "long"));
  assert_int_equal(strlen(replaced), 3 * strlen(long_one)); /* none is cut */
  cJSON_Delete(json);
  free(text);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_added_is_printed_in_its_order),
      cmocka_unit_test(without_memory_there_is_no_text_rather_than_a_part),
      cmocka_unit_test(numbers_read_back_as_they_were),
      cmocka_unit_test(bytes_that_are_no_utf8_are_replaced_in_names_and_strings),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
