/* SPDX-License-Identifier: Apache-2.0 */
/* The transport's registers and the devices that live in the event loop, in any state and order. */
#include "tests/fuzz/virtio_fuzz.h"

#include <sys/mman.h>

#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/virtio/balloon.h"
#include "runtime/vm/virtio/console.h"
#include "runtime/vm/virtio/mem.h"
#include "runtime/vm/virtio/rng.h"

static struct loop *loop;
static struct virtio_device *device;

static void on_output(const char *text, size_t length, void *data)
{
	volatile char sink = 0;

	(void)data;
	for (size_t i = 0; i < length; i++)
		sink = text[i];
	(void)sink;
}

static void on_statistics(const struct balloon_statistics *statistics, void *data)
{
	(void)statistics;
	(void)data;
}

static void turn(struct guest *g)
{
	(void)g;
	for (int i = 0; i < 20 && loop_turn(loop); i++)
		;
}

/* Memory that virtio-mem and the balloon may give back. */
static void add_region(struct guest *g)
{
	static void *region;

	if (region == NULL) {
		region = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (region == MAP_FAILED)
			abort();
	}
	g->memory.regions[1] = (struct guest_memory_region){ 8 << 20, 8 << 20, region };
	g->memory.count = 2;
}

static int make_device(struct guest *g, unsigned int kind)
{
	switch (kind % 4) {
	case 0:
		g->queues = 1;
		return virtio_rng_new(loop, &g->memory, &device, NULL);
	case 1:
		g->queues = 2;
		return virtio_console_new(loop, &g->memory, on_output, NULL, &device, NULL);
	case 2:
		g->queues = 4;
		return virtio_balloon_new(loop, &g->memory, false, &device, NULL);
	default:
		g->queues = 1;
		return virtio_mem_new(loop, &g->memory, 8 << 20, 8 << 20, &device, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct guest g;
	unsigned int kind = (unsigned int)take(&in, 1);

	if (loop == NULL && loop_new(&loop, NULL) < 0)
		return 0;
	guest_init(&g);
	add_region(&g);
	if (make_device(&g, kind) < 0)
		return 0;
	virtio_mmio_attach(&g.slot, device);
	if (kind & 0x80)
		guest_start(&g, 0);
	while (guest_step(&g, &in, turn)) {
		if (kind % 4 == 1 && (in.size & 15) == 0)
			virtio_console_input(device, "typed at the console", in.size % 20);
		if (kind % 4 == 2 && (in.size & 15) == 0)
			virtio_balloon_ask(device, on_statistics, NULL);
		if (kind % 4 == 3 && (in.size & 15) == 0)
			virtio_mem_request(device, in.size << 20);
	}
	turn(&g);
	virtio_mmio_destroy(&g.slot);
	turn(&g);
	return 0;
}
