/* `gsos cache`: what decoded and unpacked data take of the disk; removes what was not used for
 * longest, or all.
 *
 * Nothing in the cache is missed: what is not there is made again from the data. */
#include <stdio.h>
#include <sys/stat.h>

#include "host/base/text_escape.h"
#include "host/experiment/experiment.h"
#include "host/report/cache_report.h"
#include "sched/commands/command.h"

static const char help[] = "Usage: gsos cache [--limit SIZE | --clear] [--folder DIR]\n"
                           "List what decoded images and unpacked data sets take of the disk: size, when it\n"
                           "was used last, what it was made from.  All of it can be made again from the data,\n"
                           "and is, when it is needed; a run that uses it is not disturbed.\n"
                           "\n"
                           "      --limit SIZE   remove what was not used for longest, until what is left is\n"
                           "                     no larger: 20GB, 500MiB, or a number of bytes\n"
                           "      --clear        remove all of it\n"
                           "      --folder DIR   the cache in DIR, as [dataset] cache names it; without it,\n"
                           "                     $XDG_CACHE_HOME/gsos or ~/.cache/gsos\n"
                           "  -h, --help         print this and exit\n"
                           "\n"
                           "Exit status: 0 done, 1 something could not be removed, 2 wrong usage, as a folder\n"
                           "that is not there.\n";

struct options {
  const char *folder;
  int64_t limit; /* -1: none, 0: --clear */
};

/* 0: go on; -1: *status is the exit status. */
static int parse(int argc, char **argv, struct options *o, int *status)
{
  static const struct option options[] = {{"limit", required_argument, NULL, 'l'},
                                          {"clear", no_argument, NULL, 'c'},
                                          {"folder", required_argument, NULL, 'f'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  struct command_line line = {"gsos cache", help, "h", options, argc, argv, status, false};
  struct error e = {0};
  int c;
  while ((c = command_option(&line)) > 0) {
    if (c == 'f') {
      o->folder = optarg;
      continue;
    }
    if (o->limit >= 0) return command_usage_error(&line, "--clear and --limit: once, and one of them");
    o->limit = 0;
    if (c == 'l' && size_parse(optarg, &o->limit, &e))
      return command_usage_error(&line, "--limit %s: %s", optarg, e.message);
  }
  if (c == 0 && optind < argc) c = command_usage_error(&line, "takes no '%s'", argv[optind]);
  return c;
}

/* One that is named must be there; the user's own is made when something is put into it. */
static int check_folder(const char *folder, struct error *e)
{
  char shown[600];
  struct stat st;
  if (!folder) return 0;
  text_escape(shown, sizeof shown, folder);
  if (stat(folder, &st) != 0) {
    error_errno(e, "--folder %s", shown);
    return e->code = ERROR_CONFIG;
  }
  if (S_ISDIR(st.st_mode)) return 0;
  return error_set(e, ERROR_CONFIG, "--folder %s: is no folder", shown);
}

int command_cache(int argc, char **argv)
{
  struct options o = {.limit = -1};
  struct error e = {0};
  int status = 0;
  if (parse(argc, argv, &o, &status)) return command_end(status);
  int code = check_folder(o.folder, &e);
  if (!code && o.limit < 0)
    cache_report_list(stdout, o.folder, &e);
  else if (!code)
    cache_report_shrink(stdout, o.folder, o.limit, &e);
  command_complain(&e);
  return command_end(command_status(&e));
}
