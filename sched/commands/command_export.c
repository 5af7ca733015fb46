/* `gsos export`: a saved network for other programs (host/objectives/export_network.h). */
#include <stdbool.h>
#include <stdio.h>

#include "host/base/file_same.h"
#include "host/base/text_escape.h"
#include "host/objectives/export_network.h"
#include "sched/commands/command.h"
#include "sched/commands/output_file.h"

static const char help[] = "Usage: gsos export FILE.safetensors [--onnx FILE.onnx] [--torch FILE.py]\n"
                           "Write the network in FILE.safetensors, which gsos run and gsos train write, for\n"
                           "other programs.  A file that export wrote earlier is replaced.\n"
                           "\n"
                           "      --onnx FILE.onnx   as ONNX, which ONNX Runtime and others run: images,\n"
                           "                         bytes [N][H][W][C], to probabilities and logits of the\n"
                           "                         classes, [N][classes]; their names in its metadata\n"
                           "      --torch FILE.py    as a module for PyTorch: load() reads the weights from\n"
                           "                         FILE.safetensors; images as above, to logits\n"
                           "  -h, --help             print this and exit\n"
                           "\n"
                           "Images must have the size of those that the network was trained on; their values\n"
                           "are normalised within.\n"
                           "\n"
                           "Examples:\n"
                           "  gsos export results/quickstart/best.safetensors --onnx digits.onnx\n"
                           "  gsos export flowers.safetensors --torch flowers.py\n"
                           "\n"
                           "Exit status: 0 done, 1 where the network cannot be read or a file not written,\n"
                           "2 wrong usage.\n";

struct options {
  const char *network, *onnx, *torch; /* onnx, torch: NULL where it is not wanted */
};

/* 0: go on; else *status is the exit status. */
static int parse(int argc, char **argv, struct options *o, int *status)
{
  static const struct option options[] = {{"onnx", required_argument, NULL, 'o'},
                                          {"torch", required_argument, NULL, 't'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  struct command_line line = {"gsos export", help, "h", options, argc, argv, status, false};
  int c;
  while ((c = command_option(&line)) > 0) {
    if (!*optarg) return command_usage_error(&line, "--%s takes the name of a file", c == 'o' ? "onnx" : "torch");
    *(c == 'o' ? &o->onnx : &o->torch) = optarg;
  }
  if (c < 0) return c;
  o->network = command_argument(&line, "which FILE.safetensors?", "one FILE.safetensors at a time");
  if (!o->network) return -1;
  if (!o->onnx && !o->torch) return command_usage_error(&line, "as what?  --onnx FILE.onnx, --torch FILE.py, or both");
  if (o->onnx && o->torch && file_same(o->onnx, o->torch))
    return command_usage_error(&line, "--onnx and --torch name the same file");
  return 0;
}

static int check_outputs(const struct options *o, struct error *e)
{
  const struct output_file onnx = {
      .option = "--onnx", .path = o->onnx, .kind = OUTPUT_ONNX, .inputs = &o->network, .n_inputs = 1};
  const struct output_file torch = {
      .option = "--torch", .path = o->torch, .kind = OUTPUT_TORCH, .inputs = &o->network, .n_inputs = 1};
  int code = o->onnx ? output_file_check(&onnx, e) : 0;
  return !code && o->torch ? output_file_check(&torch, e) : code;
}

static void tell_written(const char *path)
{
  char shown[1200];
  if (path) printf("Written: %s\n", text_escape(shown, sizeof shown, path));
}

int command_export(int argc, char **argv)
{
  struct options o = {0};
  struct error e = {0};
  int status = 1;
  if (parse(argc, argv, &o, &status) == 0) {
    int refused = check_outputs(&o, &e);
    if (!refused && export_network(o.network, o.onnx, o.torch, &e) == 0) {
      tell_written(o.onnx);
      tell_written(o.torch);
    }
    command_complain(&e);
    status = refused ? 2 : e.code != 0; /* a network's file that describes no network is no wrong usage */
  }
  return command_end(status);
}
