/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few sentences of ACPI's machine language (ACPI 6.5, chapter 20) that a DSDT of devices at
 * fixed places needs. Objects with a length are opened and closed around what is in them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *start, *at, *end;
	bool full; /* something did not fit: what was written is not to be used */
};

void aml_init(struct aml *aml, uint8_t *buffer, size_t size);

/* Both return where the object's length goes, for aml_close(). `name` has 4 characters. */
size_t aml_open_scope(struct aml *aml, const char *name);
size_t aml_open_device(struct aml *aml, const char *name);
void aml_close(struct aml *aml, size_t opened);

void aml_name_integer(struct aml *aml, const char *name, uint32_t value);
void aml_name_string(struct aml *aml, const char *name, const char *value);

/* `count` bytes in a package: for sleep states. */
void aml_name_package(struct aml *aml, const char *name, const uint8_t *values, uint8_t count);

/* _CRS: a fixed range of memory, or (ports != 0) of I/O ports, and an edge-triggered interrupt. */
void aml_resources_memory(struct aml *aml, uint32_t address, uint32_t size, uint32_t irq);
void aml_resources_ports(struct aml *aml, uint16_t first, uint8_t count, uint32_t irq);
