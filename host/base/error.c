/* Errors: formatting and prefixes.  See error.h for the rules. */
#include "host/base/error.h"

#include <errno.h>
#include <string.h>

#include "host/base/text_escape.h"

int error_set(struct error *e, int code, const char *format, ...)
{
  if (!e) return code;
  va_list args;
  va_start(args, format);
  text_vformat(e->message, sizeof e->message, format, args);
  va_end(args);
  e->code = code;
  return code;
}

int error_prefix(struct error *e, const char *format, ...)
{
  if (!e) return ERROR_FAILED;
  char old[sizeof e->message];
  memcpy(old, e->message, sizeof old);
  va_list args;
  va_start(args, format);
  size_t used = text_vformat(e->message, sizeof e->message, format, args);
  va_end(args);
  text_format(e->message + used, sizeof e->message - used, ": %s", old);
  return e->code;
}

int error_errno(struct error *e, const char *format, ...)
{
  int saved = errno;
  int code = ERROR_FAILED;
  if (saved == ENOMEM || saved == ENOSPC || saved == EDQUOT || saved == EIO || saved == EMFILE) code = ERROR_MACHINE;
  if (!e) return code;
  va_list args;
  va_start(args, format);
  size_t used = text_vformat(e->message, sizeof e->message, format, args);
  va_end(args);
  text_format(e->message + used, sizeof e->message - used, ": %s", strerror(saved));
  e->code = code;
  return code;
}
