# The loops of the Gaussian process, compiled once more for each instruction set of x86-64
# (gp_loops_find.c picks one when it runs). -fno-math-errno: a square root is an instruction, not a
# call; -fno-trapping-math: both sides of a choice may be computed.
GP_LOOPS := -O3 -fno-math-errno -fno-trapping-math
$(BUILD)/host/samplers/gp/gp_loops.o: private OPT += $(GP_LOOPS)
ifneq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
HOST += $(BUILD)/host/samplers/gp/gp_loops.avx2.o $(BUILD)/host/samplers/gp/gp_loops.avx512.o
$(BUILD)/host/samplers/gp/gp_loops.avx2.o: host/samplers/gp/gp_loops.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(GP_LOOPS) -mavx2 -mfma -MMD -MP -c -o $@ $<
$(BUILD)/host/samplers/gp/gp_loops.avx512.o: host/samplers/gp/gp_loops.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(GP_LOOPS) -mavx2 -mfma -mavx512f -mavx512bw -mavx512vl -mavx512dq -mprefer-vector-width=512 \
	  -MMD -MP -c -o $@ $<
endif

# For test_gp_loops.c, which holds every variant that the processor can run against it.
GP_LOOPS_REFERENCE := $(LOOPS_PLACE)/gp_loops.o
$(GP_LOOPS_REFERENCE): host/samplers/gp/gp_loops.c
	$(call loops_plain,1)
$(BUILD)/tests/test_gp_loops: $(GP_LOOPS_REFERENCE)
