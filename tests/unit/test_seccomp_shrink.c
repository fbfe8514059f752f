/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/seccomp_shrink.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* What the kernel does with a filter (networking/filter.rst), for the instructions libseccomp uses.
 */
static uint32_t run(
	const struct sock_filter *program, size_t count, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < count; pc++) {
		const struct sock_filter *at = &program[pc];

		switch (at->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(at->k % 4 == 0 && at->k <= sizeof(*data) - 4);
			memcpy(&a, (const char *)data + at->k, sizeof(a));
			break;
		case BPF_JMP | BPF_JA:
			pc += at->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == at->k ? at->jt : at->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > at->k ? at->jt : at->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= at->k ? at->jt : at->jf;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= at->k;
			break;
		case BPF_RET | BPF_K:
			return at->k;
		default:
			fail_msg("instruction %zu has code 0x%x", pc, at->code);
		}
	}
	fail_msg("the program has no end");
	return 0;
}

struct program {
	struct sock_filter *instructions;
	unsigned short count;
};

static struct program export(scmp_filter_ctx filter)
{
	int fd = memfd_create("filter", 0);
	struct program program = { .instructions = malloc(BPF_MAXINSNS * 8) };

	assert_true(fd >= 0 && program.instructions != NULL);
	assert_int_equal(seccomp_export_bpf(filter, fd), 0);
	ssize_t size = pread(fd, program.instructions, BPF_MAXINSNS * 8, 0);
	assert_true(size > 0 && size < BPF_MAXINSNS * 8);
	program.count = (unsigned short)((size_t)size / sizeof(struct sock_filter));
	close(fd);
	return program;
}

static uint64_t random_argument(void)
{
	static const uint64_t some[] = { 0, 1, 2, 3, 8, 0xffffffff, 0x100000000, 0x100000001,
		UINT64_MAX, 0x8000000000000000, 0x20000, 0x20008 };

	return rand() % 8 == 0 ? (uint64_t)rand() << 32 | (uint64_t)rand()
			       : some[(size_t)rand() % (sizeof(some) / sizeof(some[0]))];
}

/* The two agree on every number near a constant of either, with arguments of all kinds. */
static void assert_equivalent(const struct program *one, const struct program *other)
{
	static const uint32_t archs[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_AARCH64, 0,
		UINT32_MAX, SCMP_ARCH_X86_64 - 1, SCMP_ARCH_X86 + 1, SCMP_ARCH_S390X };

	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
		for (uint32_t n = 0; n < 3 * 700 + 200; n++) {
			struct seccomp_data data = { .arch = archs[i] };

			data.nr = (int)(n < 700	   ? n
					: n < 1400 ? 0x40000000 + (n - 700)
					: n < 2100 ? UINT32_MAX - (n - 1400)
						   : (uint32_t)rand() * 2U);
			for (int tries = 0; tries < 4; tries++) {
				for (size_t k = 0; k < 6; k++)
					data.args[k] = random_argument();
				assert_int_equal(run(one->instructions, one->count, &data),
					run(other->instructions, other->count, &data));
			}
		}
	}
}

static void shrink_and_compare(scmp_filter_ctx filter, bool smaller)
{
	struct program before = export(filter), after = export(filter);

	seccomp_shrink(&after.instructions, &after.count);
	assert_true(after.count <= before.count);
	if (smaller)
		assert_true(after.count < before.count);
	assert_equivalent(&before, &after);
	free(before.instructions);
	free(after.instructions);
}

static uint32_t random_action(void)
{
	static const uint32_t actions[] = { SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(1), SCMP_ACT_ERRNO(38),
		SCMP_ACT_KILL_PROCESS, SCMP_ACT_TRAP, SCMP_ACT_LOG };

	return actions[(size_t)rand() % (sizeof(actions) / sizeof(actions[0]))];
}

static void add_random_rule(scmp_filter_ctx filter, int number)
{
	struct scmp_arg_cmp args[3];
	unsigned int n_args = rand() % 4 == 0 ? (unsigned int)rand() % 4 : 0;

	for (unsigned int i = 0; i < n_args; i++)
		args[i] = (struct scmp_arg_cmp){ .arg = i * 2 % 6,
			.op = (enum scmp_compare)(SCMP_CMP_NE + rand() % 7),
			.datum_a = random_argument(),
			.datum_b = random_argument() };
	seccomp_rule_add_array(filter, random_action(), number, n_args, args);
}

static void every_decision_stays_the_same(void **state)
{
	(void)state;
	srand(1);
	for (int round = 0; round < 60; round++) {
		scmp_filter_ctx filter = seccomp_init(random_action());
		/* From a handful of rules to one for almost each number. */
		int density = 1 + rand() % 100;

		if (rand() % 2)
			seccomp_arch_add(filter, SCMP_ARCH_X86);
		if (rand() % 2)
			seccomp_arch_add(filter, SCMP_ARCH_X32);
		if (rand() % 4 == 0)
			seccomp_arch_add(filter, SCMP_ARCH_AARCH64);
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 1 + (uint32_t)rand() % 2);
		for (int number = 0; number < 330; number++) {
			if (rand() % 100 < density)
				add_random_rule(filter, number);
		}
		shrink_and_compare(filter, false);
		seccomp_release(filter);
	}
}

static void a_range_costs_two_comparisons(void **state)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(38));

	(void)state;
	for (int number = 10; number < 300; number++)
		assert_int_equal(seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0), 0);
	struct program program = export(filter);
	seccomp_shrink(&program.instructions, &program.count);
	/* Two loads, four comparisons (architecture, both ends, x32), three answers, one spare. */
	assert_in_range(program.count, 5, 10);
	free(program.instructions);
	shrink_and_compare(filter, true);
	seccomp_release(filter);
}

static void a_strange_program_is_left_alone(void **state)
{
	/* Looks at a bit of the number, which is no range. */
	const struct sock_filter odd[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	/* A jump beyond the end must not be followed. */
	const struct sock_filter broken[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 200, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	unsigned short count = 4;
	struct sock_filter *program = malloc(sizeof(odd));

	(void)state;
	memcpy(program, odd, sizeof(odd));
	seccomp_shrink(&program, &count);
	assert_int_equal(count, 4);
	assert_memory_equal(program, odd, sizeof(odd));
	count = 3;
	memcpy(program, broken, sizeof(broken));
	seccomp_shrink(&program, &count);
	assert_int_equal(count, 3);
	assert_memory_equal(program, broken, sizeof(broken));
	free(program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_decision_stays_the_same),
		cmocka_unit_test(a_range_costs_two_comparisons),
		cmocka_unit_test(a_strange_program_is_left_alone),
	};

	return cmocka_run_group_tests_name("seccomp_shrink", tests, NULL, NULL);
}
