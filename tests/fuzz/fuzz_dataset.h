/* What the fuzzers of data sets share: opening one without a cache, and looking at every byte of
 * it. */
#ifndef GSOS_FUZZ_DATASET_H
#define GSOS_FUZZ_DATASET_H

#include "host/data/data_cache.h"
#include "host/data/dataset.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/experiment/defaults.h"

/* Options at their defaults, but for the cache: there is none. */
__attribute__((unused)) static struct dataset_options *fuzz_options(void)
{
  static struct dataset_options defaults, o;
  if (!defaults.cache[0]) {
    defaults = default_dataset_options();
    snprintf(defaults.cache, sizeof defaults.cache, "/dev/null/none");
  }
  o = defaults;
  return &o;
}

/* Opening reads every image that trains, for the mean; here follow those that do not. */
__attribute__((unused)) static void fuzz_dataset_open(const struct dataset_options *o)
{
  struct dataset d;
  struct error e = {0};
  if (dataset_open(&d, o, 1, NULL, NULL, &e)) {
    if (!e.message[0]) abort(); /* an error without a word helps nobody */
    return;
  }
  uint64_t hash = 0;
  const struct dataset_split *parts[] = {&d.train, &d.validation, &d.test};
  for (int p = 0; p < 3; p++)
    for (int i = 0; i < parts[p]->n; i++) {
      if (dataset_label(parts[p], i) >= d.n_classes) abort();
      hash = data_hash(hash, dataset_image(&d, parts[p], i), (size_t)d.height * (size_t)d.width * (size_t)d.channels);
    }
  for (int c = 0; c < d.n_classes; c++) hash = data_hash(hash, d.class_names[c], strlen(d.class_names[c]));
  dataset_close(&d);
}

#endif
