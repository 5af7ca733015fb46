/* `gsos devices`: where trials can run on this machine. */
#include <stdio.h>

#include "host/objectives/trial_devices.h"
#include "sched/commands/command.h"
#include "sched/run/resources.h"
#include "host/base/text_units.h"

static const char help[] = "Usage: gsos devices\n"
                           "List where trials can run on this machine: the CPU, and each GPU by the number\n"
                           "that [scheduler] devices takes, or why there is none; and below a GPU, why it\n"
                           "cannot be used, or what is done otherwise there.\n"
                           "\n"
                           "  -h, --help   print this and exit\n";

int command_devices(int argc, char **argv)
{
  static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
  char text[400], memory[TEXT_UNITS_MAX], why[300];
  int status = 0;
  struct command_line line = {"gsos devices", help, "h", options, argc, argv, &status, false};
  int c = command_option(&line);
  if (c == 0 && optind < argc) c = command_usage_error(&line, "takes no '%s'", argv[optind]);
  if (c < 0) return command_end(status);
  int n = trial_devices_count(why, sizeof why);
  trial_device_describe(TRIAL_DEVICE_CPU, text, sizeof text);
  printf("cpu     %d core%s, %s free, %s\n", machine_cores(), machine_cores() == 1 ? "" : "s",
         text_bytes(memory, sizeof memory, (double)machine_memory_available()), text);
  for (int i = 0; i < n; i++) {
    trial_device_describe(i, text, sizeof text);
    printf("cuda:%-2d %s\n", i, text);
    trial_device_remark(i, text, sizeof text);
    if (text[0]) printf("        %s\n", text);
  }
  if (n == 0) printf("no GPU: %s\n", why);
  return command_end(0);
}
