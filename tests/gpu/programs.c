/* All programs that run on a GPU as one, since the kernels are most of what each of them takes:
 * what it does is what the name says that it is called by, and each name is a link to it.  PROGRAMS
 * is P(NAME) of each; the build has renamed their main to main_of_NAME (tests/gpu/gpu.mk). */
#include <stdio.h>
#include <string.h>

#ifndef PROGRAMS
#define PROGRAMS /* for whoever reads the file alone */
#endif

#define P(name) int main_of_##name(int argc, char **argv);
PROGRAMS
#undef P

int main(int argc, char **argv)
{
  const char *slash = strrchr(argv[0], '/'), *called = slash ? slash + 1 : argv[0];
#define P(name)                                                                                                        \
  if (!strcmp(called, #name)) return main_of_##name(argc, argv);
  PROGRAMS
#undef P
  fprintf(stderr, "%s: call it by the name of one of its programs, which are links to it\n", called);
  return 2;
}
