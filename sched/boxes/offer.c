/* What ranks bring along.  See offer.h. */
#include "sched/boxes/offer.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/base/text_escape.h"
#include "host/base/version.h"
#include "sched/run/resources.h"

/* FNV-1a over the cores that this process may use; never 0. */
static uint64_t cores_of_process(void)
{
  cpu_set_t set;
  uint64_t sum = UINT64_C(14695981039346656037);
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  for (int i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &set)) sum = (sum ^ (uint64_t)(i + 1)) * UINT64_C(1099511628211);
  return sum ? sum : 1;
}

void offer_make(struct offer *o, struct objective *objective)
{
  memset(o, 0, sizeof *o);
  if (gethostname(o->host, sizeof o->host - 1) != 0 || !o->host[0]) strcpy(o->host, "unknown");
  snprintf(o->version, sizeof o->version, "%s", GSOS_VERSION);
  o->history = GSOS_HISTORY_VERSION;
  objective->description(objective, o->description, sizeof o->description);
  o->n_devices = objective->n_devices > 0 ? objective->n_devices : 1;
  if (o->n_devices > BOX_DEVICES_MAX) o->n_devices = BOX_DEVICES_MAX;
  bool on_cores = objective->places <= 0;
  o->places = on_cores ? machine_cores() : objective->places;
  if (o->places > BOX_PLACES_MAX) o->places = BOX_PLACES_MAX;
  o->cores = on_cores ? cores_of_process() : 0;
  o->capacity = objective->capacity > 0 ? objective->capacity : 1;
  for (int i = 0; i < o->n_devices; i++) objective_device_name(objective, i, o->devices[i], sizeof o->devices[i]);
  o->memory = machine_memory_available() / 10 * 9;
}

bool offers_alike(const struct offer *ours, const struct offer *theirs, int rank, char *why, size_t size)
{
  char host[2][300];
  text_escape(host[0], sizeof host[0], theirs->host);
  text_escape(host[1], sizeof host[1], ours->host);
  if (ours->history != theirs->history || strcmp(ours->version, theirs->version) != 0)
    text_format(why, size, "rank %d (%s) is gsos %s with history version %d, rank 0 (%s) is gsos %s with %d", rank,
                host[0], theirs->version, theirs->history, host[1], ours->version, ours->history);
  else if (strcmp(ours->description, theirs->description) != 0)
    text_format(why, size, "rank %d (%s) has %s; rank 0 (%s) has %s", rank, host[0], theirs->description, host[1],
                ours->description);
  else
    return true;
  return false;
}

void offers_places(const struct offer *offers, const bool *taken, int n, int slots, int *places)
{
  int total = 0, taking_part = 0;
  for (int i = 0; i < n; i++) {
    int sharing = 0, before = 0;
    for (int k = 0; k < n; k++) {
      bool same = taken[k] && offers[k].cores == offers[i].cores && !strcmp(offers[k].host, offers[i].host);
      sharing += same;
      before += same && k < i;
    }
    places[i] = !taken[i] ? 0 : offers[i].places;
    if (taken[i] && offers[i].cores && sharing > 1)
      places[i] = offers[i].places / sharing + (before < offers[i].places % sharing);
    if (taken[i] && places[i] < 1) places[i] = 1;
    total += places[i];
    taking_part += taken[i];
  }
  for (int i = 0; total < slots && taking_part > 0; i = (i + 1) % n) {
    if (!taken[i]) continue;
    if (!offers[i].cores) return; /* a device has the places that it has */
    places[i]++;
    total++;
  }
}
