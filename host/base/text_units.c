/* Amounts in words.  See text_units.h. */
#include "host/base/text_units.h"

#include <math.h>
#include <stdio.h>

/* Three digits, never with an exponent: 0.044, 0.44, 4.4, 44, 444. */
static void scaled(char *text, size_t size, double x, const char *unit)
{
  int digits = x == 0 || x >= 99.5 ? 0 : x >= 9.95 ? 1 : x >= 0.995 ? 2 : 3;
  snprintf(text, size, "%.*f %s", digits, x, unit);
}

const char *text_flops(char *text, size_t size, double flops)
{
  static const char *const units[] = {"MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP"};
  int unit = 0;
  flops /= 1e6;
  for (; flops >= 999.5 && unit < 4; unit++) flops /= 1000;
  scaled(text, size, flops, units[unit]);
  return text;
}

const char *text_bytes(char *text, size_t size, double bytes)
{
  static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  int unit = 0;
  bytes /= 1024;
  for (; bytes >= 1023.5 && unit < 4; unit++) bytes /= 1024;
  scaled(text, size, bytes, units[unit]);
  return text;
}

const char *text_seconds(char *text, size_t size, double seconds)
{
  double minutes = floor((seconds + 0.5) / 60), hours = floor((seconds + 30) / 3600);
  if (seconds < 0.0005)
    snprintf(text, size, "<0.001 s");
  else if (seconds < 9.95)
    snprintf(text, size, "%.*f s", seconds < 0.0995 ? 3 : seconds < 0.995 ? 2 : 1, seconds);
  else if (seconds < 59.5)
    snprintf(text, size, "%.0f s", seconds);
  else if (seconds < 3570)
    snprintf(text, size, "%.0f min %02.0f s", minutes, fmax(0, floor(seconds + 0.5) - 60 * minutes));
  else if (seconds < 86400)
    snprintf(text, size, "%.0f h %02.0f min", hours, floor((seconds + 30) / 60) - 60 * hours);
  else
    snprintf(text, size, "%.0f d %.0f h", floor((seconds + 1800) / 86400),
             floor((seconds + 1800) / 3600) - 24 * floor((seconds + 1800) / 86400));
  return text;
}
