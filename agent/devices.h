/* SPDX-License-Identifier: Apache-2.0 */
/* Devices, memory and processors that the guest is given while it runs. */
#pragma once

#include <stdint.h>

struct error;

/*
 * Binds the driver of device slot `slot`, which was empty when the driver looked at boot; again is
 * nothing.
 */
int device_bind(unsigned int slot, struct error *err);

/* Memory that is plugged from here on is used at once. */
int memory_use_what_comes(struct error *err);

/*
 * Bytes that can be taken from the guest without harm to what runs in it (MemAvailable of proc(5)),
 * 0 where its kernel does not say.
 */
uint64_t memory_available(void);

/* Brings the processors 1 to `cpus` - 1 up that are not. */
int cpus_bring_up(unsigned int cpus, struct error *err);
