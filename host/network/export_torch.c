/* A network as a module for PyTorch.  See export.h.
 *
 * The module's parts have the names of the tensors in the network's file, so that PyTorch's
 * load_state_dict takes it as it is. */
#include "host/network/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file_replace.h"
#include "host/base/text_escape.h"
#include "host/base/text_utf8.h"

/* A string of Python's, of any bytes: what is no UTF-8 as Python has it in names of files
 * (surrogateescape). */
static void write_text(FILE *out, const char *text)
{
  fputc('"', out);
  for (const char *c = text; *c;) {
    int n = utf8_length(c);
    if (n == 0)
      fprintf(out, "\\udc%02x", (unsigned char)*c++);
    else if ((unsigned char)*c < ' ' || *c == 127)
      fprintf(out, "\\x%02x", (unsigned char)*c++);
    else if (*c == '"' || *c == '\\')
      fprintf(out, "\\%c", *c++);
    else
      for (; n > 0; n--) fputc(*c++, out);
  }
  fputc('"', out);
}

static void write_numbers(FILE *out, const float *x, int n)
{
  for (int i = 0; i < n; i++) fprintf(out, "%s%.9g", i ? ", " : "", (double)x[i]);
}

static void write_class_names(FILE *out, const struct dataset *d)
{
  fputs("CLASSES = [", out);
  for (int c = 0; c < d->n_classes; c++) {
    if (c) fputs(", ", out);
    write_text(out, d->class_names[c]);
  }
  fputs("]\n", out);
}

static void write_parts(FILE *out, const struct network_file *n)
{
  const struct network_config *c = &n->config;
  const struct plan *p = &n->plan;
  fputs("        self.register_buffer(\"mean\", torch.tensor([", out);
  write_numbers(out, n->shape.mean, n->shape.channels);
  fputs("]), persistent=False)\n        self.register_buffer(\"deviation\", torch.tensor([", out);
  write_numbers(out, n->shape.deviation, n->shape.channels);
  fputs("]), persistent=False)\n", out);
  for (int l = 0; l < c->num_conv_layers; l++) {
    const struct conv_shape *s = &p->conv[l];
    fprintf(out, "        self.conv%d = torch.nn.Conv2d(%d, %d, kernel_size=%d, stride=%d, padding=%d)\n", l,
            s->in_channels, s->filters, s->kernel, s->stride, s->pad);
  }
  fprintf(out, "        self.fc0 = torch.nn.Linear(%d, %d)\n", p->features, c->num_fc_units);
  fprintf(out, "        self.fc1 = torch.nn.Linear(%d, %d)\n", c->num_fc_units, p->classes);
  fprintf(out, "        self.dropout = torch.nn.Dropout(%.17g)\n", c->dropout_rate);
}

static void write_forward(FILE *out, const struct network_file *n)
{
  fprintf(out,
          "    def forward(self, images):\n"
          "        \"\"\"[N, %d, %d, %d] numbers from 0 to 255 to the logits of the classes, [N, %d].\"\"\"\n"
          "        x = (images.float() / 255 - self.mean) / self.deviation\n"
          "        x = x.permute(0, 3, 1, 2)\n"
          "        for conv in (",
          n->shape.height, n->shape.width, n->shape.channels, n->shape.n_classes);
  for (int l = 0; l < n->config.num_conv_layers; l++) fprintf(out, "%sself.conv%d", l ? ", " : "", l);
  fputs(n->config.num_conv_layers == 1 ? ",):\n" : "):\n", out);
  fputs("            x = torch.nn.functional.max_pool2d(torch.relu(conv(x)), 2)\n"
        "        x = torch.relu(self.fc0(self.dropout(x.flatten(1))))\n"
        "        return self.fc1(self.dropout(x))\n",
        out);
}

static void write_module(FILE *out, const struct network_file *n, const char *weights, bool beside)
{
  fprintf(out,
          "\"\"\"A network that gsos trained, for PyTorch; it needs the packages torch and safetensors.\n\n"
          "    network = load()\n"
          "    probabilities = network(images).softmax(1)\n\n"
          "images: a tensor [N, %d, %d, %d], rows from the top, %s,\n"
          "bytes or numbers from 0 to 255.  Class c of the outputs is CLASSES[c].\n\"\"\"\n"
          "%simport torch\nfrom safetensors.torch import load_file\n\nWEIGHTS = ",
          n->shape.height, n->shape.width, n->shape.channels,
          n->shape.channels == 3 ? "channels red, green, blue" : "channels last", beside ? "import pathlib\n\n" : "");
  if (beside) fputs("pathlib.Path(__file__).with_name(", out);
  write_text(out, weights);
  fputs(beside ? ")\n" : "\n", out);
  write_class_names(out, &n->shape);
  fputs("\n\nclass Network(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n", out);
  write_parts(out, n);
  fputc('\n', out);
  write_forward(out, n);
  fputs("\n\ndef load(weights=WEIGHTS):\n"
        "    network = Network()\n"
        "    network.load_state_dict(load_file(weights))\n"
        "    return network.eval()\n",
        out);
}

/* The folder that a file is in, without links, malloc'ed; NULL where there is none. */
static char *folder_of(const char *path)
{
  const char *slash = strrchr(path, '/');
  char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
  char *real = folder ? realpath(folder, NULL) : NULL;
  free(folder);
  return real;
}

int export_torch(const char *path, const struct network_file *n, const char *weights, struct error *e)
{
  struct file_replace f;
  char shown[512];
  if (file_replace_begin(&f, path, e)) return e->code;
  const char *slash = strrchr(weights, '/');
  char *here = folder_of(path), *there = folder_of(weights), *whole = realpath(weights, NULL);
  bool beside = here && there && !strcmp(here, there);
  int code =
      beside || whole ? 0 : error_errno(e, "%s: cannot be found any more", text_escape(shown, sizeof shown, weights));
  if (!code) {
    write_module(f.out, n, beside && slash ? slash + 1 : beside ? weights : whole, beside);
    code = file_replace_commit(&f, e);
  }
  file_replace_abort(&f);
  free(here);
  free(there);
  free(whole);
  return code;
}
