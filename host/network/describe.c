/* Data sets and plans as `gsos check` shows them.  Columns are counted in characters: shapes have a
 * ×, class names any letters. */
#include "host/network/describe.h"

#include <stdio.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/base/text_units.h"
#include "host/base/text_wrap.h"
#include "host/network/trainer.h"

/* The first class names, as many as fit in two lines. */
static void list_classes(const struct dataset *d, char *text, size_t size)
{
  size_t used = 0;
  for (int i = 0; i < d->n_classes; i++) {
    char shown[60];
    text_escape(shown, sizeof shown, d->class_names[i]);
    if (used + strlen(shown) + 10 > size) {
      snprintf(text + used, size - used, ", ...");
      return;
    }
    used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", shown);
  }
}

void describe_dataset(FILE *out, const struct dataset *d)
{
  char classes[140] = "";
  list_classes(d, classes, sizeof classes);
  fprintf(out, "  images      %d×%d×%d\n", d->width, d->height, d->channels);
  text_wrapf(out, "  classes     ", "%d: %s", d->n_classes, classes);
  fprintf(out, "  parts       %d to train on, %d for validation, ", d->train.n, d->validation.n);
  if (d->test.n)
    fprintf(out, "%d for the test\n", d->test.n);
  else
    fputs("no test set\n", out);
  describe_left_out(out, d);
}

void describe_left_out(FILE *out, const struct dataset *d)
{
  if (d->n_skipped) text_wrapf(out, "  left out    ", "%d bad images:\n%s", d->n_skipped, d->skipped_summary);
  if (d->n_ignored)
    text_wrapf(out, "  ignored     ", "%d files that are no JPEG or PNG by their names, or hidden: %s", d->n_ignored,
               d->ignored_summary);
  if (d->notices[0]) text_wrapf(out, "  beside it   ", "%s", d->notices);
}

/* One row: name, shape before, after the convolution, after the pool (or the layer's output),
 * parameters. */
static void print_row(FILE *out, const char *name, const char *in, const char *conv, const char *after,
                      const char *parameters)
{
  fputs("    ", out);
  text_pad(out, name, 9);
  text_pad(out, in, -12);
  text_pad(out, conv, -14);
  text_pad(out, after, -14);
  text_pad(out, parameters, -14);
  fputc('\n', out);
}

static void print_conv(FILE *out, const struct conv_shape *s, int l)
{
  char name[40], in[60], conv[60], pool[60], parameters[40];
  snprintf(name, sizeof name, "conv %d", l + 1);
  snprintf(in, sizeof in, "%d×%d×%d", s->in_width, s->in_height, s->in_channels);
  snprintf(conv, sizeof conv, "%d×%d×%d", s->conv_width, s->conv_height, s->filters);
  snprintf(pool, sizeof pool, "%d×%d×%d", s->pool_width, s->pool_height, s->filters);
  snprintf(parameters, sizeof parameters, "%lld", ((long long)s->in_channels * s->kernel * s->kernel + 1) * s->filters);
  print_row(out, name, in, conv, pool, parameters);
}

static void print_dense(FILE *out, int number, int in, int units)
{
  char name[40], inputs[40], outputs[40], parameters[40];
  snprintf(name, sizeof name, "dense %d", number);
  snprintf(inputs, sizeof inputs, "%d", in);
  snprintf(outputs, sizeof outputs, "%d", units);
  snprintf(parameters, sizeof parameters, "%lld", ((long long)in + 1) * units);
  print_row(out, name, inputs, "", outputs, parameters);
}

void describe_plan(FILE *out, const struct plan *p)
{
  const struct network_config *c = &p->config;
  print_row(out, "layer", "input", "convolution", "output", "parameters");
  for (int l = 0; l < c->num_conv_layers; l++) print_conv(out, &p->conv[l], l);
  print_dense(out, 1, p->features, c->num_fc_units);
  print_dense(out, 2, c->num_fc_units, p->classes);
  char step[TEXT_UNITS_MAX], trial[TEXT_UNITS_MAX], memory[TEXT_UNITS_MAX];
  text_wrapf(out, "    ", "%lld parameters, %s a training step of %d images, %s of memory", (long long)p->parameters,
             text_flops(step, sizeof step, p->flops_step), c->batch_size,
             text_bytes(memory, sizeof memory, (double)network_plan_bytes(p)));
  text_wrapf(out, "    ", "the whole trial: %d epoch%s, %lld steps, %s", c->epochs, c->epochs == 1 ? "" : "s",
             (long long)p->steps, text_flops(trial, sizeof trial, p->flops_total));
}
