/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that were made in the container's network namespace on the host: each arrives by
 * vsock and is made anew to the same port in the guest.
 */
#pragma once

/*
 * Takes what has arrived on PROTOCOL_FORWARD_PORT (`listener` is system_listen()'s). Each
 * connection has a process of its own, which the loop reaps.
 */
void forward_accept(int listener);
