/* The CPU and the GPUs, as their trainers describe them. */
#include "host/objectives/trial_devices.h"

#include <stdio.h>

#include "host/cuda/device_list.h"
#include "host/network/trainer.h"

int trial_devices_count(char *why, size_t size)
{
  return devices_count(why, size);
}

void trial_device_describe(int device, char *text, size_t size)
{
  if (device == TRIAL_DEVICE_CPU)
    snprintf(text, size, "%s", trainer_cpu_description());
  else
    devices_name(device, text, size);
}
