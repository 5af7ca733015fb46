/* CUDA on the CPU: reports, and what they say of places in the source.
 *
 * A report made by a call of the harness knows file and line; one made by an access knows the
 * address of the instruction.  Addresses become lines when no kernel runs, all of them in one run
 * of addr2line (of binutils, which every compiler brings along), the innermost function that is not
 * the harness's own header's. */
#include "tests/cudacpu/runtime/internal.h"

#include <ctype.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <map>
#include <string>

namespace cudacpu
{

struct source {
  std::string function, file;
  int line;
};
static std::map<uintptr_t, struct source> known; /* of addresses */

struct entry {
  struct cudacpu_report report;
  const void *kernel, *pc;
  const char *at_file;
  std::string text; /* with addresses as @hex@ */
  bool finished, printed;
};
static std::vector<struct entry> entries;
static bool print = true;

static const char *const kind_names[] = {"race",
                                         "read of memory never written",
                                         "out of bounds",
                                         "host memory",
                                         "misaligned",
                                         "barrier reached by part of the block",
                                         "divergence",
                                         "deadlock",
                                         "not rounded",
                                         "kernel on the default stream",
                                         "asynchronous copy",
                                         "stack overflow",
                                         "fault",
                                         "not waited"};

/* -------------------------------------------------------------------------------------- symbols */

static int first_object(struct dl_phdr_info *info, size_t size, void *data)
{
  (void)size;
  *(uintptr_t *)data = info->dlpi_addr;
  return 1;
}

/* Where the program was loaded. */
static uintptr_t load_address(void)
{
  static uintptr_t address, got = 0;
  if (!got) dl_iterate_phdr(first_object, &address);
  got = 1;
  return address;
}

const char *short_path(const char *path)
{
  static char root[4096];
  if (!root[0] && !getcwd(root, sizeof root)) strcpy(root, "/");
  size_t n = strlen(root);
  if (!strncmp(path, root, n) && path[n] == '/') path += n + 1;
  return path;
}

static bool of_harness(const std::string &file)
{
  return file.find("cudacpu/include/") != std::string::npos || file.find("/include/c++/") != std::string::npos;
}

/* Looks up all addresses that are not known yet. */
static void look_up(const std::vector<uintptr_t> &addresses)
{
  char exe[4096], line[4096];
  ssize_t length = readlink("/proc/self/exe", exe, sizeof exe - 1);
  std::string command = "addr2line -a -i -f -C -e '";
  bool any = false;
  if (length <= 0) return;
  exe[length] = 0;
  command += exe;
  command += "'";
  for (uintptr_t a : addresses) {
    if (known.count(a)) continue;
    char text[32];
    snprintf(text, sizeof text, " 0x%lx", (unsigned long)(a - load_address()));
    command += text;
    known[a] = {"", "", 0};
    any = true;
  }
  if (!any) return;
  command += " 2>/dev/null";
  FILE *f = popen(command.c_str(), "r");
  if (!f) return;
  struct source *s = NULL;
  std::string function;
  bool outermost_is_name = true;
  while (fgets(line, sizeof line, f)) {
    line[strcspn(line, "\n")] = 0;
    if (!strncmp(line, "0x", 2)) {
      auto found = known.find((uintptr_t)strtoul(line, NULL, 16) + load_address());
      s = found == known.end() ? NULL : &found->second;
      outermost_is_name = true;
      continue;
    }
    if (outermost_is_name) {
      function = line;
      outermost_is_name = false;
      continue;
    }
    outermost_is_name = true;
    char *colon = strrchr(line, ':');
    if (!s || !colon || line[0] == '?') continue;
    if (s->line && !of_harness(s->file)) continue; /* the innermost has been found */
    *colon = 0;
    *s = {function, short_path(line), atoi(colon + 1)};
  }
  pclose(f);
}

/* -------------------------------------------------------------------------------------- reports */

bool report(enum cudacpu_report_kind kind, struct place place, const char *format, ...)
{
  const void *kernel = running ? running->kernel : NULL;
  for (struct entry &e : entries) {
    if (e.report.kind != kind || e.kernel != kernel || e.pc != place.pc) continue;
    if (e.report.line && e.report.line != place.line) continue;
    if (e.at_file && place.file && strcmp(e.at_file, place.file) != 0) continue;
    if (!e.pc && !e.at_file) continue;
    e.report.times++;
    return false;
  }
  char text[1200];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);

  struct entry e;
  memset(&e.report, 0, sizeof e.report);
  e.report.kind = kind;
  e.report.times = 1;
  e.kernel = kernel;
  e.pc = place.pc;
  e.at_file = place.file;
  e.text = text;
  e.finished = e.printed = false;
  if (place.file) {
    snprintf(e.report.file, sizeof e.report.file, "%s", short_path(place.file));
    e.report.line = place.line;
  }
  if (current) {
    const uint3 b = block_index, t = current->index;
    e.report.block[0] = b.x, e.report.block[1] = b.y, e.report.block[2] = b.z;
    e.report.thread[0] = t.x, e.report.thread[1] = t.y, e.report.thread[2] = t.z;
    char where[128];
    snprintf(where, sizeof where, " [block (%u, %u, %u), thread (%u, %u, %u)]", b.x, b.y, b.z, t.x, t.y, t.z);
    e.text += where;
  }
  entries.push_back(e);
  return true;
}

/* Replaces each @hex@ by file:line. */
static std::string with_lines(const std::string &text)
{
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    size_t end = text[i] == '@' ? text.find('@', i + 1) : std::string::npos;
    if (end == std::string::npos) {
      out += text[i];
      continue;
    }
    const struct source &s = known[(uintptr_t)strtoul(text.c_str() + i + 1, NULL, 16)];
    out += s.line ? s.file + ":" + std::to_string(s.line) : "an unknown line";
    i = end;
  }
  return out;
}

void reports_finish(void)
{
  std::vector<uintptr_t> addresses;
  bool any = false;
  for (struct entry &e : entries) {
    if (e.finished) continue;
    any = true;
    if (e.pc) addresses.push_back((uintptr_t)e.pc - 1); /* within the call, or the instruction before */
    if (e.kernel) addresses.push_back((uintptr_t)e.kernel);
    for (size_t i = e.text.find('@'); i != std::string::npos; i = e.text.find('@', i + 1))
      if (isxdigit((unsigned char)e.text[i + 1]))
        addresses.push_back((uintptr_t)strtoul(e.text.c_str() + i + 1, NULL, 16));
  }
  if (!any) return;
  look_up(addresses);
  for (struct entry &e : entries) {
    if (e.finished) continue;
    struct cudacpu_report *r = &e.report;
    if (e.kernel) {
      std::string name = known[(uintptr_t)e.kernel].function;
      name = name.substr(0, name.find('('));
      snprintf(r->kernel, sizeof r->kernel, "%s", name.empty() ? "a kernel" : name.c_str());
    }
    if (e.pc) {
      /* What the compiler has merged has no line of its own: then the kernel's. */
      const struct source &exact = known[(uintptr_t)e.pc - 1],
                          &s = exact.line || !e.kernel ? exact : known[(uintptr_t)e.kernel];
      snprintf(r->file, sizeof r->file, "%s", s.line ? s.file.c_str() : "unknown");
      r->line = s.line;
    }
    snprintf(r->text, sizeof r->text, "%s: %s%s%s:%d: %s", kind_names[r->kind], r->kernel, r->kernel[0] ? ", " : "",
             r->file, r->line, with_lines(e.text).c_str());
    e.finished = true;
  }
  /* An instruction that the compiler made several of has one line. */
  for (size_t i = 0; i < entries.size(); i++) {
    struct entry *e = &entries[i], *same = e;
    for (size_t j = 0; j < i && same == e; j++) {
      const struct cudacpu_report *r = &entries[j].report;
      if (r->kind == e->report.kind && r->line && r->line == e->report.line && !strcmp(r->file, e->report.file) &&
          entries[j].kernel == e->kernel)
        same = &entries[j];
    }
    if (same != e) {
      same->report.times += e->report.times;
      entries.erase(entries.begin() + (ptrdiff_t)i--);
      continue;
    }
    if (print && !e->printed) fprintf(stderr, "cudacpu: %s\n", e->report.text);
    e->printed = true;
  }
}

static void exit_with_reports(void)
{
  if (entries.empty()) return;
  reports_finish();
  fprintf(stderr, "cudacpu: %zu reports that nobody cleared\n", entries.size());
  fflush(NULL);
  _exit(1);
}
static const int at_exit = atexit(exit_with_reports);

extern "C" int cudacpu_report_count(void)
{
  (void)at_exit;
  reports_finish();
  return (int)entries.size();
}
extern "C" const struct cudacpu_report *cudacpu_report(int i)
{
  return i >= 0 && (size_t)i < entries.size() ? &entries[(size_t)i].report : NULL;
}
extern "C" void cudacpu_clear_reports(void)
{
  entries.clear();
}
extern "C" void cudacpu_print_reports(int yes)
{
  print = yes != 0;
}

} // namespace cudacpu
