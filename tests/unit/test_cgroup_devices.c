/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device filter's program is run by a small interpreter here, against a direct reading of the
 * rules. That the kernel takes the program is checked in tests/cgroup.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/bpf.h>

#include "config/oci.h"
#include "lib/error.h"
#include "runtime/cgroup/devices.h"

/* Runs what the generator emits: -1 for an instruction or a jump that it never should. */
static int run(const struct bpf_insn *insns, size_t count, const uint32_t context[3])
{
	uint32_t r[11] = { 0 };

	for (size_t pc = 0, steps = 0; pc < count && steps < 100000; pc++, steps++) {
		const struct bpf_insn *insn = &insns[pc];
		uint32_t *dst = &r[insn->dst_reg];
		uint32_t operand = BPF_SRC(insn->code) == BPF_X ? r[insn->src_reg]
								: (uint32_t)insn->imm;
		bool jump;

		switch (BPF_CLASS(insn->code)) {
		case BPF_LDX:
			if (insn->src_reg != BPF_REG_1 || insn->off > 8)
				return -1;
			*dst = context[insn->off / 4];
			continue;
		case BPF_ALU:
			switch (BPF_OP(insn->code)) {
			case BPF_MOV:
				*dst = operand;
				continue;
			case BPF_AND:
				*dst &= operand;
				continue;
			case BPF_OR:
				*dst |= operand;
				continue;
			case BPF_SUB:
				*dst -= operand;
				continue;
			case BPF_LSH:
				*dst <<= operand;
				continue;
			case BPF_RSH:
				if (operand > 31)
					return -1;
				*dst >>= operand;
				continue;
			default:
				return -1;
			}
		case BPF_JMP:
			if (BPF_OP(insn->code) == BPF_EXIT)
				return (int)r[0];
			if (BPF_OP(insn->code) != BPF_JA || insn->off < 0)
				return -1;
			pc += (size_t)insn->off;
			continue;
		case BPF_JMP32:
			switch (BPF_OP(insn->code)) {
			case BPF_JEQ:
				jump = *dst == operand;
				break;
			case BPF_JSET:
				jump = (*dst & operand) != 0;
				break;
			case BPF_JGT:
				jump = *dst > operand;
				break;
			case BPF_JLE:
				jump = *dst <= operand;
				break;
			case BPF_JLT:
				jump = *dst < operand;
				break;
			default:
				return -1;
			}
			/* A forward jump that was never placed would stay 0: it cannot be told from
			 * "to the next", but the comparison of results tells. */
			if (jump)
				pc += (size_t)insn->off;
			continue;
		default:
			return -1;
		}
	}
	return -1;
}

static const struct {
	int64_t major, minor;
} always[] = { { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 }, { 5, 0 }, { 5, 1 }, { 5, 2 },
	{ 136, -1 }, { 10, 200 } };

static bool always_allowed(char type, uint32_t major, uint32_t minor)
{
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
		if (type == 'c' && always[i].major == major &&
			(always[i].minor == -1 || always[i].minor == minor))
			return true;
	}
	return false;
}

/* What the rules mean, letter by letter. */
static bool is_allowed(const struct oci_resources *resources, char type, uint32_t major,
	uint32_t minor, unsigned int access)
{
	for (unsigned int letter = 1; letter <= 4; letter <<= 1) {
		bool allowed = letter == BPF_DEVCG_ACC_MKNOD || always_allowed(type, major, minor);

		for (size_t i = resources->n_devices; !allowed && i-- > 0;) {
			const struct oci_device_rule *rule = &resources->devices[i];

			if ((rule->type == 'a' || rule->type == type) &&
				(!rule->major.set || rule->major.value == -1 ||
					rule->major.value == major) &&
				(!rule->minor.set || rule->minor.value == -1 ||
					rule->minor.value == minor) &&
				((letter == BPF_DEVCG_ACC_READ && rule->read) ||
					(letter == BPF_DEVCG_ACC_WRITE && rule->write) ||
					(letter == BPF_DEVCG_ACC_MKNOD && rule->mknod))) {
				allowed = rule->allow;
				break;
			}
		}
		if ((access & letter) != 0 && !allowed)
			return false;
	}
	return true;
}

static void compare(const struct oci_resources *resources, const struct bpf_insn *insns,
	size_t count, char type, uint32_t major, uint32_t minor)
{
	for (unsigned int access = 1; access < 8; access++) {
		uint32_t context[3] = { access << 16 |
				(type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
			major, minor };
		int expected = is_allowed(resources, type, major, minor, access);
		int result = insns == NULL ? 1 : run(insns, count, context);

		if (result != expected)
			fail_msg("%c %u:%u access %u: %d instead of %d", type, major, minor, access,
				result, expected);
	}
}

static void check_all(const struct oci_resources *resources)
{
	static const uint32_t numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 31, 32, 33,
		34, 35, 36, 37, 40, 64, 136, 200, 4094, 4095 };
	const size_t n = sizeof(numbers) / sizeof(numbers[0]);
	struct bpf_insn *insns = NULL;
	struct error err = ERROR_INIT;
	size_t count = 0;

	assert_int_equal(cgroup_devices_program(resources, &insns, &count, &err), 0);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < n; k++) {
			compare(resources, insns, count, 'c', numbers[i], numbers[k]);
			compare(resources, insns, count, 'b', numbers[i], numbers[k]);
		}
		compare(resources, insns, count, 'c', numbers[i], (1 << 20) - 1);
		compare(resources, insns, count, 'c', numbers[i], (1 << 20) - 2);
	}
	free(insns);
}

static void test_no_rules(void **state)
{
	struct oci_resources none = { 0 };
	struct bpf_insn *insns = NULL;
	struct error err = ERROR_INIT;
	size_t count = 0;

	(void)state;
	check_all(&none);
	assert_int_equal(cgroup_devices_program(NULL, &insns, &count, &err), 0);
	/* Loading costs about 2 us for each instruction. */
	assert_in_range(count, 1, 24);
	free(insns);
}

static void test_allow_all_needs_no_program(void **state)
{
	struct oci_device_rule rules[] = {
		{ .allow = false, .type = 'a', .read = true, .write = true, .mknod = true },
		{ .allow = true, .type = 'a', .read = true, .write = true, .mknod = true },
		{ .allow = true, .type = 'c', .major = { true, 10 }, .read = true },
	};
	struct oci_resources resources = { .set = true, .devices = rules, .n_devices = 3 };
	struct bpf_insn *insns = NULL;
	struct error err = ERROR_INIT;
	size_t count = 1;

	(void)state;
	assert_int_equal(cgroup_devices_program(&resources, &insns, &count, &err), 0);
	assert_null(insns);
	assert_int_equal(count, 0);
	/* One that denies after it brings the program back. */
	rules[2].allow = false;
	check_all(&resources);
	assert_int_equal(cgroup_devices_program(&resources, &insns, &count, &err), 0);
	assert_non_null(insns);
	free(insns);
}

static void test_random_rules(void **state)
{
	static const int64_t numbers[] = { -1, 0, 1, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 34, 35, 36,
		37, 136, 200, 4095 };
	const size_t n = sizeof(numbers) / sizeof(numbers[0]);
	struct oci_device_rule rules[24];

	(void)state;
	srandom(20);
	for (int round = 0; round < 400; round++) {
		struct oci_resources resources = { .set = true, .devices = rules };

		resources.n_devices = (size_t)random() % 24;
		for (size_t i = 0; i < resources.n_devices; i++) {
			long bits = random();

			rules[i] = (struct oci_device_rule){ .allow = bits & 1,
				.type = "abcc"[bits >> 1 & 3],
				.major = { (bits & 8) != 0,
					numbers[(size_t)random() % (round % 2 ? n : 4)] },
				.minor = { (bits & 16) != 0, numbers[(size_t)random() % n] },
				.read = bits & 32,
				.write = bits & 64,
				.mknod = bits & 128 };
			if (round % 3 == 0)
				rules[i].read = rules[i].write = rules[i].mknod = true;
		}
		check_all(&resources);
	}
}

/* Numbers side by side must not run into each other where the bits of major and minor meet. */
static void test_highest_numbers(void **state)
{
	struct oci_device_rule rules[5];
	struct oci_resources resources = { .set = true, .devices = rules, .n_devices = 5 };

	(void)state;
	for (size_t i = 0; i < 4; i++)
		rules[i] = (struct oci_device_rule){ .allow = true,
			.type = 'c',
			.read = true,
			.major = { true, 4095 },
			.minor = { true, (1 << 20) - 2 - 2 * (int64_t)i } };
	rules[4] = (struct oci_device_rule){
		.allow = true, .type = 'c', .read = true, .minor = { true, (1 << 20) - 1 }
	};
	check_all(&resources);
}

static void test_bad_numbers(void **state)
{
	struct oci_device_rule rule = { .type = 'c', .major = { true, 4096 } };
	struct oci_resources resources = { .set = true, .devices = &rule, .n_devices = 1 };
	struct bpf_insn *insns = NULL;
	struct error err = ERROR_INIT;
	size_t count = 0;

	(void)state;
	assert_int_equal(cgroup_devices_program(&resources, &insns, &count, &err), -EINVAL);
	assert_non_null(strstr(err.message, "devices[0]: 4096:-1"));
	rule.major.value = 1;
	rule.minor = (struct optional_i64){ true, 1 << 20 };
	assert_int_equal(cgroup_devices_program(&resources, &insns, &count, &err), -EINVAL);
	rule.minor.value = -2;
	assert_int_equal(cgroup_devices_program(&resources, &insns, &count, &err), -EINVAL);
	assert_null(insns);
}

static void test_too_many(void **state)
{
	size_t n = 20000;
	struct oci_device_rule *rules = calloc(n, sizeof(*rules));
	struct oci_resources resources = { .set = true, .devices = rules, .n_devices = n };
	struct bpf_insn *insns = NULL;
	struct error err = ERROR_INIT;
	size_t count = 0;

	(void)state;
	assert_non_null(rules);
	for (size_t i = 0; i < n; i++)
		rules[i] = (struct oci_device_rule){ .allow = i % 2,
			.type = 'c',
			.read = true,
			.major = { true, 20 },
			.minor = { true, (int64_t)i } };
	assert_int_equal(cgroup_devices_program(&resources, &insns, &count, &err), -E2BIG);
	assert_non_null(strstr(err.message, "wildcard"));
	free(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_rules),
		cmocka_unit_test(test_allow_all_needs_no_program),
		cmocka_unit_test(test_random_rules),
		cmocka_unit_test(test_highest_numbers),
		cmocka_unit_test(test_bad_numbers),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
