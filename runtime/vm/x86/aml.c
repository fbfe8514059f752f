/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/x86/aml.h"

#include <string.h>

#define OP_NAME 0x08
#define OP_BYTE 0x0a
#define OP_DWORD 0x0c
#define OP_STRING 0x0d
#define OP_SCOPE 0x10
#define OP_BUFFER 0x11
#define OP_PACKAGE 0x12
#define OP_EXTENDED 0x5b
#define OP_DEVICE 0x82

/* A length of two bytes more than its first: up to 2^20 - 1, which includes itself. */
#define LENGTH_BYTES 3
#define LENGTH_FOLLOWING (2 << 6)

#define RESOURCE_MEMORY_FIXED 0x86
#define RESOURCE_INTERRUPT 0x89
#define RESOURCE_PORTS 0x47
#define RESOURCE_END 0x79
#define INTERRUPT_CONSUMER_EDGE 0x03
#define MEMORY_WRITABLE 1
#define PORTS_DECODE_16 1

static void put(struct aml *aml, const void *bytes, size_t size)
{
	if ((size_t)(aml->end - aml->at) < size) {
		aml->full = true;
		return;
	}
	memcpy(aml->at, bytes, size);
	aml->at += size;
}

static void put8(struct aml *aml, uint8_t value)
{
	put(aml, &value, sizeof(value));
}

static void put16(struct aml *aml, uint16_t value)
{
	put(aml, (const uint8_t[]){ (uint8_t)value, (uint8_t)(value >> 8) }, 2);
}

static void put32(struct aml *aml, uint32_t value)
{
	put16(aml, (uint16_t)value);
	put16(aml, (uint16_t)(value >> 16));
}

static size_t open_length(struct aml *aml)
{
	size_t at = (size_t)(aml->at - aml->start);

	put(aml, (const uint8_t[LENGTH_BYTES]){ 0 }, LENGTH_BYTES);
	return at;
}

void aml_init(struct aml *aml, uint8_t *buffer, size_t size)
{
	*aml = (struct aml){ .start = buffer, .at = buffer, .end = buffer + size };
}

size_t aml_open_scope(struct aml *aml, const char *name)
{
	size_t opened;

	put8(aml, OP_SCOPE);
	opened = open_length(aml);
	put(aml, name, 4);
	return opened;
}

size_t aml_open_device(struct aml *aml, const char *name)
{
	size_t opened;

	put8(aml, OP_EXTENDED);
	put8(aml, OP_DEVICE);
	opened = open_length(aml);
	put(aml, name, 4);
	return opened;
}

void aml_close(struct aml *aml, size_t opened)
{
	size_t length = (size_t)(aml->at - aml->start) - opened;

	if (aml->full)
		return;
	aml->start[opened] = (uint8_t)(LENGTH_FOLLOWING | (length & 0x0f));
	aml->start[opened + 1] = (uint8_t)(length >> 4);
	aml->start[opened + 2] = (uint8_t)(length >> 12);
}

static void put_name(struct aml *aml, const char *name)
{
	put8(aml, OP_NAME);
	put(aml, name, 4);
}

void aml_name_integer(struct aml *aml, const char *name, uint32_t value)
{
	put_name(aml, name);
	put8(aml, OP_DWORD);
	put32(aml, value);
}

void aml_name_string(struct aml *aml, const char *name, const char *value)
{
	put_name(aml, name);
	put8(aml, OP_STRING);
	put(aml, value, strlen(value) + 1);
}

void aml_name_package(struct aml *aml, const char *name, const uint8_t *values, uint8_t count)
{
	size_t opened;

	put_name(aml, name);
	put8(aml, OP_PACKAGE);
	opened = open_length(aml);
	put8(aml, count);
	for (uint8_t i = 0; i < count; i++) {
		put8(aml, OP_BYTE);
		put8(aml, values[i]);
	}
	aml_close(aml, opened);
}

static void put_interrupt(struct aml *aml, uint32_t irq)
{
	put8(aml, RESOURCE_INTERRUPT);
	put16(aml, 6);
	put8(aml, INTERRUPT_CONSUMER_EDGE);
	put8(aml, 1);
	put32(aml, irq);
}

/* The buffer of a _CRS holds `size` bytes of descriptors and the end tag. */
static size_t open_resources(struct aml *aml, uint8_t size)
{
	size_t opened;

	put_name(aml, "_CRS");
	put8(aml, OP_BUFFER);
	opened = open_length(aml);
	put8(aml, OP_BYTE);
	put8(aml, (uint8_t)(size + 2));
	return opened;
}

static void close_resources(struct aml *aml, size_t opened)
{
	put8(aml, RESOURCE_END);
	put8(aml, 0); /* "treated as if the checksum operation succeeded" */
	aml_close(aml, opened);
}

void aml_resources_memory(struct aml *aml, uint32_t address, uint32_t size, uint32_t irq)
{
	size_t opened = open_resources(aml, 12 + 9);

	put8(aml, RESOURCE_MEMORY_FIXED);
	put16(aml, 9);
	put8(aml, MEMORY_WRITABLE);
	put32(aml, address);
	put32(aml, size);
	put_interrupt(aml, irq);
	close_resources(aml, opened);
}

void aml_resources_ports(struct aml *aml, uint16_t first, uint8_t count, uint32_t irq)
{
	size_t opened = open_resources(aml, 8 + 9);

	put8(aml, RESOURCE_PORTS);
	put8(aml, PORTS_DECODE_16);
	put16(aml, first);
	put16(aml, first);
	put8(aml, 1);
	put8(aml, count);
	put_interrupt(aml, irq);
	close_resources(aml, opened);
}
