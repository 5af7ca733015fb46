# The CPU trainer's own loops, compiled once more for each instruction set of x86-64
# (host/cpu/cpu_loops.c picks one when it runs).
# -O3: these few files are where the time goes.  FMA contraction is on: a result belongs to an
# instruction set (contract 1).
CPU_LOOPS := first pool dense
$(foreach l,$(CPU_LOOPS),$(eval $(BUILD)/host/cpu/cpu_loops_$(l).o: private OPT += -O3 -Wno-psabi))
ifneq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
HOST += $(foreach l,$(CPU_LOOPS),$(BUILD)/host/cpu/cpu_loops_$(l).avx2.o $(BUILD)/host/cpu/cpu_loops_$(l).avx512.o)
$(BUILD)/host/cpu/cpu_loops_%.avx2.o: host/cpu/cpu_loops_%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -O3 -mavx2 -mfma -MMD -MP -c -o $@ $<
$(BUILD)/host/cpu/cpu_loops_%.avx512.o: host/cpu/cpu_loops_%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -O3 -mavx2 -mfma -mavx512f -mavx512bw -mavx512vl -mavx512dq -mprefer-vector-width=512 \
	  -MMD -MP -c -o $@ $<
endif
# oneDNN's OpenMP: omp_set_num_threads (trainer_cpu_thread_begin)
LDLIBS += -lgomp

# For tests/unit/cpu/test_cpu_loops.c, which holds every variant that the processor can run against
# it: the same without optimisation, contraction and intrinsics, with 8 and with 16 lanes.
LOOPS_PLAIN := -O0 -U_FORTIFY_SOURCE -ffp-contract=off -Wno-psabi
LOOPS_PLACE := $(BUILD)/reference
CPU_LOOPS_REFERENCE := $(LOOPS_PLACE)/cpu_loops.o \
                         $(foreach l,$(CPU_LOOPS),$(LOOPS_PLACE)/cpu_loops_$(l).8.o $(LOOPS_PLACE)/cpu_loops_$(l).16.o)
loops_plain = @mkdir -p $(@D); $(CC) $(CPPFLAGS) $(CFLAGS) $(LOOPS_PLAIN) -DLOOPS_REFERENCE=$(1) -MMD -MP -c -o $@ $<
$(LOOPS_PLACE)/cpu_loops.o: host/cpu/cpu_loops.c
	$(call loops_plain,1)
$(LOOPS_PLACE)/cpu_loops_%.8.o: host/cpu/cpu_loops_%.c
	$(call loops_plain,8)
$(LOOPS_PLACE)/cpu_loops_%.16.o: host/cpu/cpu_loops_%.c
	$(call loops_plain,16)
$(BUILD)/tests/test_cpu_loops: $(CPU_LOOPS_REFERENCE)
