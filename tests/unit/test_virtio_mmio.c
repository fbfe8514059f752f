/* SPDX-License-Identifier: Apache-2.0 */
/* The transport's registers in every state of a device, with a device that counts what it is told.
 */
#include <linux/virtio_ids.h>

#include "tests/unit/virtio_driver.h"

#define QUEUE_MAX 16

struct counter {
	struct virtio_device device;
	unsigned int activated, reset, config_writes;
	int activate_result;
	uint8_t config[8];
};

static int count_activate(struct virtio_device *device)
{
	struct counter *c = (struct counter *)device;

	c->activated++;
	return c->activate_result;
}

static void count_reset(struct virtio_device *device)
{
	((struct counter *)device)->reset++;
}

static void count_config_write(
	struct virtio_device *device, size_t offset, const void *data, size_t size)
{
	struct counter *c = (struct counter *)device;

	c->config_writes++;
	memcpy(c->config + offset, data, size);
}

static void count_destroy(struct virtio_device *device)
{
	virtio_device_fini(device);
	free(device);
}

static const struct virtio_device_operations counter_operations = {
	.name = "counter",
	.id = 42,
	.activate = count_activate,
	.reset = count_reset,
	.config_write = count_config_write,
	.destroy = count_destroy,
};

static struct counter *new_counter(struct driver *d)
{
	struct counter *c = calloc(1, sizeof(*c));

	assert_int_equal(
		virtio_device_init(&c->device, &counter_operations, &d->memory, 2, QUEUE_MAX, NULL),
		0);
	c->device.features = 1u << 5;
	c->device.config = c->config;
	c->device.config_size = sizeof(c->config);
	return c;
}

static struct driver driver;

static int set_up(void **state)
{
	struct counter *c;

	driver_init(&driver);
	c = new_counter(&driver);
	assert_int_equal(virtio_mmio_attach(&driver.slot, &c->device), 0);
	*state = c;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	driver_fini(&driver);
	return 0;
}

static void test_empty_slot_answers_device_id_0_and_can_be_filled(void **state)
{
	struct driver d;
	struct counter *c;

	(void)state;
	driver_init(&d);
	assert_int_equal(driver_read(&d, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(driver_read(&d, VIRTIO_MMIO_VERSION), 2);
	for (uint32_t reg = VIRTIO_MMIO_DEVICE_ID; reg < VIRTIO_MMIO_SIZE; reg += 4) {
		driver_write(&d, reg, 0xffffffff);
		if (reg != VIRTIO_MMIO_VENDOR_ID)
			assert_int_equal(driver_read(&d, reg), 0);
	}
	c = new_counter(&d);
	assert_int_equal(virtio_mmio_attach(&d.slot, &c->device), 0);
	assert_int_equal(virtio_mmio_attach(&d.slot, &c->device), -16);
	assert_int_equal(driver_read(&d, VIRTIO_MMIO_DEVICE_ID), 42);
	driver_start(&d, 2, 16, 0);
	assert_int_equal(c->activated, 1);
	driver_fini(&d);
}

static void test_status_bits_come_in_order_only(void **state)
{
	struct counter *c = *state;
	struct driver *d = &driver;

	driver_write(d, VIRTIO_MMIO_STATUS, 0);
	driver_write(d, VIRTIO_MMIO_STATUS, 2);
	assert_int_equal(driver_read(d, VIRTIO_MMIO_STATUS), 0);
	driver_write(d, VIRTIO_MMIO_STATUS, 4);
	assert_int_equal(driver_read(d, VIRTIO_MMIO_STATUS), 0);
	driver_write(d, VIRTIO_MMIO_STATUS, 1);
	driver_write(d, VIRTIO_MMIO_STATUS, 1 | 8);
	assert_int_equal(driver_read(d, VIRTIO_MMIO_STATUS), 1);
	driver_write(d, VIRTIO_MMIO_STATUS, 1 | 2);
	driver_write(d, VIRTIO_MMIO_STATUS, 1 | 2 | 4);
	assert_int_equal(driver_read(d, VIRTIO_MMIO_STATUS), 3);
	/* A bit is never taken back. */
	driver_write(d, VIRTIO_MMIO_STATUS, 1);
	assert_int_equal(driver_read(d, VIRTIO_MMIO_STATUS), 3);
	assert_int_equal(c->activated, 0);
	assert_true(driver_negotiate(d, driver_features(d)));
	driver_write(d, VIRTIO_MMIO_STATUS, 15);
	driver_write(d, VIRTIO_MMIO_STATUS, 15);
	assert_int_equal(c->activated, 1);
	driver_write(d, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(driver_read(d, VIRTIO_MMIO_STATUS), 0);
	assert_int_equal(c->reset, 3);
}

static void test_failed_driver_must_reset(void **state)
{
	struct counter *c = *state;

	assert_true(driver_negotiate(&driver, driver_features(&driver)));
	driver_write(&driver, VIRTIO_MMIO_STATUS, 11 | 128);
	driver_write(&driver, VIRTIO_MMIO_STATUS, 15 | 128);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_STATUS), 11 | 128);
	assert_int_equal(c->activated, 0);
}

static void test_features_need_version_1_and_to_be_offered(void **state)
{
	uint64_t offered = driver_features(&driver);

	(void)state;
	assert_true(offered & (UINT64_C(1) << VIRTIO_F_VERSION_1));
	assert_true(driver_negotiate(&driver, offered));
	assert_false(driver_negotiate(&driver, offered & ~(UINT64_C(1) << VIRTIO_F_VERSION_1)));
	assert_false(driver_negotiate(&driver, offered | UINT64_C(1) << 40));
	assert_false(driver_negotiate(&driver, offered | 1));
}

static void test_features_are_fixed_after_features_ok(void **state)
{
	struct counter *c = *state;
	uint64_t without = driver_features(&driver) & ~(UINT64_C(1) << 5);

	assert_true(driver_negotiate(&driver, without));
	driver_write(&driver, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	driver_write(&driver, VIRTIO_MMIO_DRIVER_FEATURES, 0xffffffff);
	assert_true(c->device.negotiated == without);
	assert_true(driver.slot.driver_features == without);
}

/*
 * CVE-2026-5747: a queue's registers changed after activation. Every register that sets a queue up
 * is written in every state in which the specification does not allow it.
 */
static void test_cve_2026_5747_every_register_in_every_state(void **state)
{
	static const uint32_t statuses[] = { 0, 1, 3, 15, 3 | 128, 15 | 128 };
	struct counter *c = *state;
	struct driver *d = &driver;

	for (unsigned int s = 0; s < sizeof(statuses) / sizeof(statuses[0]); s++) {
		struct virtqueue_state before;

		if (statuses[s] & 8) {
			assert_true(driver_negotiate(d, driver_features(d)));
			driver_set_queue(d, 0, 8);
		} else {
			driver_negotiate(d, 0);
			if (!(statuses[s] & 128)) {
				driver_write(d, VIRTIO_MMIO_STATUS, 0);
				driver_write(d, VIRTIO_MMIO_STATUS, statuses[s] & 1);
			}
		}
		driver_write(d, VIRTIO_MMIO_STATUS, statuses[s] & 15);
		driver_write(d, VIRTIO_MMIO_STATUS, statuses[s]);
		assert_int_equal(driver_read(d, VIRTIO_MMIO_STATUS), statuses[s]);
		driver_write(d, VIRTIO_MMIO_QUEUE_SEL, 0);
		before = c->device.queues[0].state;
		for (uint32_t reg = 0; reg < VIRTIO_MMIO_CONFIG; reg += 4) {
			if (reg == VIRTIO_MMIO_STATUS || reg == VIRTIO_MMIO_QUEUE_SEL)
				continue;
			driver_write(d, reg, 0);
			driver_write(d, reg, 1);
			driver_write(d, reg, 16);
			driver_write(d, reg, 0xffffffff);
		}
		assert_memory_equal(&before, &c->device.queues[0].state, sizeof(before));
	}
	/* A queue that is ready does not change before DRIVER_OK either. */
	assert_true(driver_negotiate(d, driver_features(d)));
	driver_set_queue(d, 0, 8);
	driver_write(d, VIRTIO_MMIO_QUEUE_NUM, 16);
	driver_write(d, VIRTIO_MMIO_QUEUE_DESC_LOW, 0x1000);
	driver_write(d, VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(c->device.queues[0].state.size, 8);
	assert_int_equal(c->device.queues[0].state.descriptor_address, DRIVER_BASE);
	assert_true(c->device.queues[0].state.ready);
}

static void test_bad_queue_asks_for_a_reset(void **state)
{
	struct driver *d = &driver;

	(void)state;
	assert_true(driver_negotiate(d, driver_features(d)));
	driver_write(d, VIRTIO_MMIO_QUEUE_SEL, 0);
	driver_write(d, VIRTIO_MMIO_QUEUE_NUM, QUEUE_MAX * 2);
	driver_write(d, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(driver_read(d, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_true(driver_needs_reset(d));
	driver_write(d, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(driver_read(d, VIRTIO_MMIO_STATUS), 0);
}

static void test_unknown_queue_is_not_there(void **state)
{
	struct driver *d = &driver;

	(void)state;
	assert_true(driver_negotiate(d, driver_features(d)));
	driver_write(d, VIRTIO_MMIO_QUEUE_SEL, 2);
	assert_int_equal(driver_read(d, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	driver_write(d, VIRTIO_MMIO_QUEUE_SEL, 0xffffffff);
	assert_int_equal(driver_read(d, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	driver_write(d, VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(driver_read(d, VIRTIO_MMIO_QUEUE_READY), 0);
	driver_write(d, VIRTIO_MMIO_QUEUE_NOTIFY, 0xffffffff);
}

static void test_failed_activation_asks_for_a_reset(void **state)
{
	struct counter *c = *state;

	c->activate_result = -5;
	assert_true(driver_negotiate(&driver, driver_features(&driver)));
	driver_write(&driver, VIRTIO_MMIO_STATUS, 15);
	assert_true(driver_needs_reset(&driver));
	assert_false(c->device.active);
}

static void test_interrupts_are_acknowledged_bit_by_bit(void **state)
{
	struct counter *c = *state;
	eventfd_t n;
	uint32_t generation = driver_read(&driver, VIRTIO_MMIO_CONFIG_GENERATION);

	driver_start(&driver, 2, 16, 0);
	virtio_device_config_changed(&c->device);
	c->device.interrupt_queue(c->device.transport);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS), 3);
	assert_int_not_equal(driver_read(&driver, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	assert_int_equal(eventfd_read(driver.irq, &n), 0);
	assert_int_equal(n, 2);
	driver_write(&driver, VIRTIO_MMIO_INTERRUPT_ACK, 1);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS), 2);
	driver_write(&driver, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

static void test_config_access_stays_inside(void **state)
{
	struct counter *c = *state;
	uint64_t value = UINT64_MAX;

	for (unsigned int i = 0; i < sizeof(c->config); i++)
		c->config[i] = i + 1;
	assert_int_equal(driver_config(&driver, 0, 1), 1);
	assert_int_equal(driver_config(&driver, 2, 2), 0x0403);
	assert_int_equal(driver_config(&driver, 7, 2), 0);
	assert_int_equal(driver_config(&driver, 8, 1), 0);
	virtio_mmio_read(&driver.slot, UINT64_MAX - 2, &value, 8);
	assert_true(value == 0);
	/* Not before there is a driver. */
	virtio_mmio_write(&driver.slot, VIRTIO_MMIO_CONFIG, &value, 4);
	assert_int_equal(c->config_writes, 0);
	driver_start(&driver, 2, 16, 0);
	virtio_mmio_write(&driver.slot, VIRTIO_MMIO_CONFIG + 4, &value, 4);
	assert_int_equal(c->config_writes, 1);
	virtio_mmio_write(&driver.slot, VIRTIO_MMIO_CONFIG + 4, &value, 8);
	virtio_mmio_write(&driver.slot, VIRTIO_MMIO_CONFIG + 8, &value, 1);
	virtio_mmio_write(&driver.slot, UINT64_MAX, &value, 8);
	assert_int_equal(c->config_writes, 1);
}

static void test_registers_are_read_as_32_bits_only(void **state)
{
	uint64_t value = UINT64_MAX;

	(void)state;
	virtio_mmio_read(&driver.slot, VIRTIO_MMIO_MAGIC_VALUE, &value, 8);
	assert_true(value == 0);
	virtio_mmio_read(&driver.slot, VIRTIO_MMIO_MAGIC_VALUE + 1, &value, 4);
	assert_int_equal((uint32_t)value, 0);
	virtio_mmio_read(&driver.slot, VIRTIO_MMIO_MAGIC_VALUE, &value, 1);
	assert_int_equal((uint8_t)value, 0);
}

static void test_notify_before_driver_ok_is_dropped(void **state)
{
	struct counter *c = *state;
	eventfd_t n;

	assert_true(driver_negotiate(&driver, driver_features(&driver)));
	driver_set_queue(&driver, 0, 8);
	driver_kick(&driver, 0);
	assert_int_equal(eventfd_read(c->device.queues[0].kick, &n), -1);
	driver_write(&driver, VIRTIO_MMIO_STATUS, 15);
	driver_kick(&driver, 0);
	assert_int_equal(eventfd_read(c->device.queues[0].kick, &n), 0);
}

static void test_state_survives_save_and_restore(void **state)
{
	static struct virtio_mmio_state saved, again;
	static _Alignas(4096) uint8_t page[VIRTIO_MMIO_SIZE];
	struct virtio_mmio slot;
	struct counter *c;

	(void)state;
	driver_start(&driver, 2, 16, 0);
	driver.queues[0].avail->idx = 0;
	virtio_mmio_save(&driver.slot, &saved);
	assert_int_equal(virtio_mmio_continue(&driver.slot), 0);
	c = new_counter(&driver);
	virtio_mmio_init(&slot, NULL, NULL);
	assert_int_equal(virtio_mmio_restore(&slot, &saved), -22);
	virtio_mmio_show(&slot, page);
	assert_int_equal(virtio_mmio_attach(&slot, &c->device), 0);
	assert_int_equal(virtio_mmio_restore(&slot, &saved), 0);
	/* The guest sees the registers as they are, and not those of a new device. */
	assert_int_equal(page[VIRTIO_MMIO_STATUS], 15);
	assert_int_equal(c->activated, 1);
	virtio_mmio_save(&slot, &again);
	assert_memory_equal(&saved, &again, sizeof(saved));
	/* A state is data from outside. */
	saved.queues[0].descriptor_address = 1;
	virtio_mmio_destroy(&slot);
	c = new_counter(&driver);
	virtio_mmio_init(&slot, NULL, NULL);
	assert_int_equal(virtio_mmio_attach(&slot, &c->device), 0);
	assert_int_equal(virtio_mmio_restore(&slot, &saved), -22);
	virtio_mmio_destroy(&slot);
}

static void expect_page(struct driver *d, const uint8_t *page)
{
	for (uint32_t reg = 0; reg < VIRTIO_MMIO_SIZE - 4; reg += 4) {
		uint32_t shown, value = driver_read(d, reg);

		memcpy(&shown, page + reg, sizeof(shown));
		/* The one difference: a queue's interrupt is always there to be looked for. */
		if (reg == VIRTIO_MMIO_INTERRUPT_STATUS &&
			(driver_read(d, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_DRIVER_OK))
			value |= VIRTIO_MMIO_INT_VRING;
		if (shown != value)
			fail_msg("register 0x%x shows 0x%x and is 0x%x", reg, shown, value);
	}
}

static void test_page_shows_every_register_in_every_state(void **state)
{
	static _Alignas(4096) uint8_t page[VIRTIO_MMIO_SIZE];
	struct driver d;
	struct counter *c;

	(void)state;
	driver_init(&d);
	virtio_mmio_show(&d.slot, page);
	expect_page(&d, page);
	c = new_counter(&d);
	memcpy(c->config, "config!", 8);
	assert_int_equal(virtio_mmio_attach(&d.slot, &c->device), 0);
	expect_page(&d, page);
	assert_memory_equal(page + VIRTIO_MMIO_CONFIG, "config!", 8);
	driver_negotiate(&d, driver_features(&d));
	expect_page(&d, page);
	driver_set_queue(&d, 0, 8);
	expect_page(&d, page);
	driver_write(&d, VIRTIO_MMIO_QUEUE_SEL, 1);
	expect_page(&d, page);
	driver_write(&d, VIRTIO_MMIO_STATUS, 15);
	expect_page(&d, page);
	c->device.interrupt_queue(c->device.transport);
	expect_page(&d, page);
	driver_write(&d, VIRTIO_MMIO_INTERRUPT_ACK, 1);
	expect_page(&d, page);
	pthread_mutex_lock(&c->device.lock);
	memcpy(c->config, "changed", 8);
	virtio_device_config_changed(&c->device);
	pthread_mutex_unlock(&c->device.lock);
	expect_page(&d, page);
	assert_memory_equal(page + VIRTIO_MMIO_CONFIG, "changed", 8);
	driver_write(&d, VIRTIO_MMIO_INTERRUPT_ACK, 2);
	expect_page(&d, page);
	virtio_device_fail(&c->device, "a test");
	expect_page(&d, page);
	for (uint32_t reg = 0; reg < VIRTIO_MMIO_CONFIG + 8; reg += 4) {
		driver_write(&d, reg, 0xffffffff);
		expect_page(&d, page);
		driver_write(&d, reg, 1);
		expect_page(&d, page);
	}
	driver_write(&d, VIRTIO_MMIO_STATUS, 0);
	expect_page(&d, page);
	driver_fini(&d);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_slot_answers_device_id_0_and_can_be_filled),
		TEST(test_status_bits_come_in_order_only),
		TEST(test_failed_driver_must_reset),
		TEST(test_features_need_version_1_and_to_be_offered),
		TEST(test_features_are_fixed_after_features_ok),
		TEST(test_cve_2026_5747_every_register_in_every_state),
		TEST(test_bad_queue_asks_for_a_reset),
		TEST(test_unknown_queue_is_not_there),
		TEST(test_failed_activation_asks_for_a_reset),
		TEST(test_interrupts_are_acknowledged_bit_by_bit),
		TEST(test_config_access_stays_inside),
		TEST(test_registers_are_read_as_32_bits_only),
		TEST(test_notify_before_driver_ok_is_dropped),
		TEST(test_state_survives_save_and_restore),
		cmocka_unit_test(test_page_shows_every_register_in_every_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
