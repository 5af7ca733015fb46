/* `gsos export`: a saved network for other programs (host/objectives/export_network.h). */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "host/base/text_escape.h"
#include "host/objectives/export_network.h"
#include "sched/commands/command.h"

static const char help[] = "Usage: gsos export FILE.safetensors [--onnx FILE.onnx] [--torch FILE.py]\n"
                           "Write the network in FILE.safetensors, which gsos run and gsos train write, for\n"
                           "other programs.  A file that is there is replaced.\n"
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

static bool same(const char *a, const char *b)
{
  struct stat x, y;
  return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The folder that a file is in, and where the file's own name begins. */
static const char *split(const char *path, char folder[PATH_MAX])
{
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  snprintf(folder, PATH_MAX, "%.*s", slash ? (int)(name - path) : 1, slash ? path : ".");
  return name;
}

/* Do both name one file, which need not be there yet? */
static bool same_file(const char *a, const char *b)
{
  char in[2][PATH_MAX];
  return !strcmp(a, b) || same(a, b) || (!strcmp(split(a, in[0]), split(b, in[1])) && same(in[0], in[1]));
}

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
  if ((o->onnx && same_file(o->onnx, o->network)) || (o->torch && same_file(o->torch, o->network)))
    return command_usage_error(&line, "the network itself would be written over; name another file");
  if (o->onnx && o->torch && same_file(o->onnx, o->torch))
    return command_usage_error(&line, "--onnx and --torch name the same file");
  return 0;
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
    if (export_network(o.network, o.onnx, o.torch, &e) == 0) {
      tell_written(o.onnx);
      tell_written(o.torch);
    }
    command_complain(&e);
    status = e.code != 0; /* a network's file that describes no network is no wrong usage */
  }
  return command_end(status);
}
