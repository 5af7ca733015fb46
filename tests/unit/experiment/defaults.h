/* What an ini file that says nothing leaves samplers and data sets with, for tests of the rooms
 * below: the key table's defaults. */
#ifndef GSOS_TESTS_DEFAULTS_H
#define GSOS_TESTS_DEFAULTS_H

#include <stdio.h>
#include <stdlib.h>

#include "host/experiment/experiment.h"

static inline const struct experiment *default_experiment(void)
{
  static struct experiment x;
  struct error e;
  if (experiment_defaults(&x, &e)) {
    fprintf(stderr, "%s\n", e.message);
    abort();
  }
  return &x;
}

static inline struct sampler_settings default_sampler_settings(void)
{
  return default_experiment()->sampler_settings;
}

static inline struct dataset_options default_dataset_options(void)
{
  return default_experiment()->dataset;
}

#endif
