/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin of QEMU's emulator (QEMU's docs/devel/tcg-plugins.rst) that counts what a guest
 *executes, for a machine whose processor cannot count it: KVM guests inside an emulated test
 *machine.
 *
 *	qemu-system-x86_64 -plugin count_instructions.so,profile=FILE,skip=FROM-TO … -d plugin
 *
 * Prints the number of instructions that the kernel executed until the first one of a program. A
 * string instruction counts as many as it has iterations. `skip` (hexadecimal, repeatable) leaves a
 * range out: loops that wait for a timer, which the emulated machine needs and KVM's guests do not.
 * With `profile` each block is written as "count address". The few declarations below are the
 *plugin interface's version 1.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_info;
enum { INLINE_ADD_U64 };
enum { CB_NO_REGS };

extern void qemu_plugin_register_vcpu_tb_trans_cb(
	qemu_plugin_id_t id, void (*callback)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
	void (*callback)(unsigned int vcpu, void *data), int flags, void *data);
extern void qemu_plugin_register_vcpu_tb_exec_inline(
	struct qemu_plugin_tb *tb, int op, void *counter, uint64_t add);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
extern void qemu_plugin_outs(const char *text);

extern int qemu_plugin_version;
int qemu_plugin_version = 1;
int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv);

#define BLOCKS_MAX (1 << 20)
#define SKIPPED_MAX 16
#define KERNEL_HALF (1ULL << 63)
#define KERNEL_LOADED (16ULL << 20)
#define KERNEL_LOADED_END (64ULL << 20)
#define FIRMWARE_END (4ULL << 20)
#define HIGH_FIRMWARE (3ULL << 30)
#define HIGH_FIRMWARE_END (4ULL << 30)

struct block {
	uint64_t address, executed;
};

static struct block *blocks;
static size_t block_count;
static const char *profile;
static struct {
	uint64_t from, to;
} skipped[SKIPPED_MAX];
static size_t skipped_count;
static bool done;

static void finish(unsigned int vcpu, void *data)
{
	uint64_t total = 0;
	char text[64];
	FILE *file;

	(void)vcpu;
	(void)data;
	if (done)
		return;
	done = true;
	for (size_t i = 0; i < block_count; i++)
		total += blocks[i].executed;
	snprintf(text, sizeof(text), "guest instructions: %" PRIu64 "\n", total);
	qemu_plugin_outs(text);
	file = profile != NULL ? fopen(profile, "we") : NULL;
	if (file == NULL)
		return;
	for (size_t i = 0; i < block_count; i++)
		if (blocks[i].executed != 0)
			fprintf(file, "%" PRIu64 " %" PRIx64 "\n", blocks[i].executed,
				blocks[i].address);
	fclose(file);
}

static bool is_skipped(uint64_t address)
{
	for (size_t i = 0; i < skipped_count; i++)
		if (address >= skipped[i].from && address < skipped[i].to)
			return true;
	return false;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	uint64_t address = qemu_plugin_tb_vaddr(tb);
	struct block *block;

	(void)id;
	if (done || block_count == BLOCKS_MAX)
		return;
	if (address < FIRMWARE_END || (address >= HIGH_FIRMWARE && address < HIGH_FIRMWARE_END))
		return;
	/* Before its page tables the kernel runs where it was loaded. */
	if (address < KERNEL_HALF && (address < KERNEL_LOADED || address >= KERNEL_LOADED_END)) {
		qemu_plugin_register_vcpu_tb_exec_cb(tb, finish, CB_NO_REGS, NULL);
		return;
	}
	if (is_skipped(address))
		return;
	block = &blocks[block_count++];
	block->address = address;
	qemu_plugin_register_vcpu_tb_exec_inline(
		tb, INLINE_ADD_U64, &block->executed, qemu_plugin_tb_n_insns(tb));
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (strncmp(argv[i], "profile=", 8) == 0)
			profile = strdup(argv[i] + 8);
		else if (skipped_count < SKIPPED_MAX &&
			sscanf(argv[i], "skip=%" SCNx64 "-%" SCNx64, &skipped[skipped_count].from,
				&skipped[skipped_count].to) == 2)
			skipped_count++;
	blocks = calloc(BLOCKS_MAX, sizeof(blocks[0]));
	if (blocks == NULL)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	return 0;
}
