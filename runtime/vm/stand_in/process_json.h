/* SPDX-License-Identifier: Apache-2.0 */
/* A process object as JSON: what exec sends to the agent, complete and without the host's members.
 */
#pragma once

struct error;
struct oci_process;

/* Writes `process` as oci_process_decode() reads it. *ret_text is the caller's to free(). */
int process_json(const struct oci_process *process, char **ret_text, struct error *err);
