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

void trial_device_remark(int device, char *text, size_t size)
{
  char why[300];
  if (devices_usable(device, why, sizeof why))
    devices_remark(device, text, size);
  else
    snprintf(text, size, "cannot be used: %s", why);
}
