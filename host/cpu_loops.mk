# The CPU trainer's own loops, compiled once more for each instruction set of x86-64 (host/cpu_loops.c picks one when it runs).
# -O3: these few files are where the time goes.  FMA contraction is on: a result belongs to an instruction set (contract 1).
CPU_LOOPS := first pool dense
$(foreach l,$(CPU_LOOPS),$(eval $(BUILD)/host/cpu_loops_$(l).o: OPT += -O3 -Wno-psabi))
ifneq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
HOST += $(foreach l,$(CPU_LOOPS),$(BUILD)/host/cpu_loops_$(l).avx2.o $(BUILD)/host/cpu_loops_$(l).avx512.o)
$(BUILD)/host/cpu_loops_%.avx2.o: host/cpu_loops_%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -O3 -mavx2 -mfma -MMD -MP -c -o $@ $<
$(BUILD)/host/cpu_loops_%.avx512.o: host/cpu_loops_%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -O3 -mavx2 -mfma -mavx512f -mavx512bw -mavx512vl -mavx512dq -mprefer-vector-width=512 \
	  -MMD -MP -c -o $@ $<
endif
# oneDNN's OpenMP: omp_set_num_threads (trainer_cpu_thread_begin)
LDLIBS += -lgomp
