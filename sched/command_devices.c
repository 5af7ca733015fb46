/* `gsos devices`: where trials can run on this machine. */
#include <getopt.h>
#include <stdio.h>

#include "cohort.h"
#include "commands.h"
#include "machine.h"
#include "text_units.h"
#include "trainer.h"

static const char help[] = "Usage: gsos devices\n"
                           "List where trials can run on this machine: the CPU, and each GPU by the number\n"
                           "that [scheduler] devices takes, or why there is none.\n"
                           "\n"
                           "  -h, --help   print this and exit\n";

int command_devices(int argc, char **argv)
{
  static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
  char text[400], why[300];
  argv[0] = (char *)"gsos devices"; /* as getopt's messages begin */
  optind = 0;                       /* main has used it before */
  switch (getopt_long(argc, argv, "h", options, NULL)) {
  case -1:
    break;
  case 'h':
    fputs(help, stdout);
    return 0;
  default:
    fputs("Try 'gsos devices --help'.\n", stderr);
    return 2;
  }
  if (optind < argc) {
    fprintf(stderr, "gsos devices: takes no '%s'\nTry 'gsos devices --help'.\n", argv[optind]);
    return 2;
  }
  int n = cohort_device_count(why, sizeof why);
  printf("cpu     %d core%s, %s free, %s\n", machine_cores(), machine_cores() == 1 ? "" : "s",
         text_bytes(text, sizeof text, (double)machine_memory_available()), trainer_cpu_description());
  for (int i = 0; i < n; i++) {
    cohort_device_name(i, text, sizeof text);
    printf("cuda:%-2d %s\n", i, text);
  }
  if (n == 0) printf("no GPU: %s\n", why);
  return 0;
}
