/* A file that a command is told to write: what it must not be, by one rule for all commands, held
 * before any work. */
#ifndef GSOS_OUTPUT_FILE_H
#define GSOS_OUTPUT_FILE_H

#include <stdbool.h>

#include "host/base/error.h"

/* What is written.  A file that is there already, and not empty, must begin as such files do. */
enum output_kind {
  OUTPUT_ANY, /* of a run that has begun: whatever has the name is its own */
  OUTPUT_RUN_INI,
  OUTPUT_PAGE,
  OUTPUT_NETWORK,
  OUTPUT_CONFIGURATION,
  OUTPUT_CONFUSION,
  OUTPUT_TABLES, /* report.txt of a run */
  OUTPUT_ROWS,   /* its trials.csv and confusion.csv */
  OUTPUT_TIMELINE,
  OUTPUT_ONNX,
  OUTPUT_TORCH
};

struct output_file {
  const char *option; /* as the user knows it: "--output" */
  const char *path;
  enum output_kind kind;
  bool of_this_run;          /* it is what the run in its folder leaves under this name */
  bool makes_folder;         /* the command makes the folder, where there is none */
  const char *const *inputs; /* [n_inputs] files that the command reads; NULL and "": none */
  int n_inputs;
};

/* May `path` be written?  Refused, ERROR_CONFIG, are an input; a folder; what lies in a folder that
 * cannot be written to; a device, a pipe and a database (file_replace_check); a file of another
 * kind; what a run keeps in its output folder. */
int output_file_check(const struct output_file *f, struct error *e);

/* May figures be written into a folder of this path?  Refused, ERROR_CONFIG, is one that has files
 * and not the script of our figures. */
int output_plots_check(const char *option, const char *path, struct error *e);

#endif
