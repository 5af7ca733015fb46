/* A profiler that only writes down which ranges a program names (host/base/profiler_ranges.h), for
 * tests: a library that NVTX loads where NVTX_INJECTION64_PATH says.  To the file $NVTX_RECORD goes
 * a line for each call, in their order:
 *
 *   begin ID NAME   end ID     ranges that may overlap
 *   push NAME       pop        a thread's own, one within the other */
#include <nvtx3/nvToolsExt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static FILE *record;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long long ids;

static nvtxRangeId_t range_start(const char *name)
{
  pthread_mutex_lock(&lock);
  unsigned long long id = ++ids;
  fprintf(record, "begin %llu %s\n", id, name);
  pthread_mutex_unlock(&lock);
  return id;
}

static void range_end(nvtxRangeId_t id)
{
  fprintf(record, "end %llu\n", (unsigned long long)id);
}

static int range_push(const char *name)
{
  fprintf(record, "push %s\n", name);
  return 0;
}

static int range_pop(void)
{
  fprintf(record, "pop\n");
  return 0;
}

static void close_record(void)
{
  fclose(record);
}

int InitializeInjectionNvtx2(NvtxGetExportTableFunc_t export_table);
int InitializeInjectionNvtx2(NvtxGetExportTableFunc_t export_table)
{
  const NvtxExportTableCallbacks *callbacks = export_table(NVTX_ETID_CALLBACKS);
  const char *path = getenv("NVTX_RECORD");
  NvtxFunctionTable table;
  unsigned n;
  if (!callbacks || !path || !callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE, &table, &n) ||
      n <= NVTX_CBID_CORE_RangePop)
    return 0;
  record = fopen(path, "w");
  if (!record) return 0;
  atexit(close_record);
  *table[NVTX_CBID_CORE_RangeStartA] = (NvtxFunctionPointer)range_start;
  *table[NVTX_CBID_CORE_RangeEnd] = (NvtxFunctionPointer)range_end;
  *table[NVTX_CBID_CORE_RangePushA] = (NvtxFunctionPointer)range_push;
  *table[NVTX_CBID_CORE_RangePop] = (NvtxFunctionPointer)range_pop;
  return 1;
}
