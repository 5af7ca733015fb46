/* Data sets and plans as `gsos check` shows them.  */
#include "host/network/describe.h"

#include <stdio.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/base/text_table.h"
#include "host/base/text_units.h"
#include "host/base/text_wrap.h"
#include "host/network/trainer.h"

/* The first class names, as many as fit in two lines. */
static void list_classes(const struct dataset *d, char *text, size_t size)
{
  size_t used = 0;
  for (int i = 0; i < d->n_classes; i++) {
    char shown[60];
    text_escape_once(shown, sizeof shown, d->class_names[i]);
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
  if (d->test.n)
    text_wrapf(out, "  parts       ", "%d to train on, %d for validation, %d for the test", d->train.n, d->validation.n,
               d->test.n);
  else
    text_wrapf(out, "  parts       ", "%d to train on, %d for validation, no test set", d->train.n, d->validation.n);
  describe_left_out(out, d);
}

void describe_left_out(FILE *out, const struct dataset *d)
{
  if (d->n_skipped)
    text_wrapf(out, "  left out    ", "%d bad image%s:\n%s", d->n_skipped, text_plural(d->n_skipped),
               d->skipped_summary);
  if (d->n_ignored)
    text_wrapf(out, "  ignored     ", "%d file%s no JPEG or PNG by %s, or hidden: %s", d->n_ignored,
               d->n_ignored == 1 ? " that is" : "s that are", d->n_ignored == 1 ? "its name" : "their names",
               d->ignored_summary);
  if (d->notices[0]) text_wrapf(out, "  beside it   ", "%s", d->notices);
}

static void add_conv(struct text_table *t, const struct conv_shape *s, int l)
{
  text_table_cellf(t, "conv %d", l + 1);
  text_table_cellf(t, "%d×%d×%d", s->in_width, s->in_height, s->in_channels);
  text_table_cellf(t, "%d×%d×%d", s->conv_width, s->conv_height, s->filters);
  text_table_cellf(t, "%d×%d×%d", s->pool_width, s->pool_height, s->filters);
  text_table_cellf(t, "%lld", ((long long)s->in_channels * s->kernel * s->kernel + 1) * s->filters);
}

static void add_dense(struct text_table *t, int number, int in, int units)
{
  text_table_cellf(t, "dense %d", number);
  text_table_cellf(t, "%d", in);
  text_table_cell(t, "");
  text_table_cellf(t, "%d", units);
  text_table_cellf(t, "%lld", ((long long)in + 1) * units);
}

/* Of each layer: the shape before it, after the convolution, after the pool (or the layer's
 * output), and its parameters. */
static void print_layers(FILE *out, const struct plan *p)
{
  static const char *const numbers[] = {"input", "convolution", "output", "parameters"};
  const struct network_config *c = &p->config;
  struct text_table *t = text_table_create();
  text_table_indent(t, 4);
  text_table_column(t, "layer", false);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) text_table_column(t, numbers[i], true);
  for (int l = 0; l < c->num_conv_layers; l++) add_conv(t, &p->conv[l], l);
  add_dense(t, 1, p->features, c->num_fc_units);
  add_dense(t, 2, c->num_fc_units, p->classes);
  text_table_print(out, t, text_width(out));
  text_table_destroy(t);
}

void describe_plan(FILE *out, const struct plan *p)
{
  const struct network_config *c = &p->config;
  print_layers(out, p);
  char step[TEXT_UNITS_MAX], trial[TEXT_UNITS_MAX], memory[TEXT_UNITS_MAX];
  text_wrapf(out, "    ", "%lld parameters, %s a training step of %d image%s, %s of memory", (long long)p->parameters,
             text_flops(step, sizeof step, p->flops_step), c->batch_size, text_plural(c->batch_size),
             text_bytes(memory, sizeof memory, (double)network_plan_bytes(p)));
  text_wrapf(out, "    ", "the whole trial: %d epoch%s, %lld step%s, %s", c->epochs, text_plural(c->epochs),
             (long long)p->steps, text_plural(p->steps), text_flops(trial, sizeof trial, p->flops_total));
}
