//! `cpu-starved-gpu`: a workload takes so much CPU that the node's other GPUs are of no use.

use super::{
    Sign, Threshold,
    starved::{self, Scarce},
    stranded_gpu::cores,
    strands::Why,
};
use plimsoll_fleet::MilliCpu;

pub(super) static SIGN: Sign = Sign {
    name: "cpu-starved-gpu",
    title: "A GPU workload asks for so much CPU that the node's other GPUs cannot be used",
    threshold: Some(Threshold {
        default: 1.5,
        unit: "times",
        says: "the CPU of a GPU's share of its node, from which on a request is to blame",
    }),
    explain: "\
A node has free GPUs and no CPU left for a pod to use them, and it is a GPU workload on it that
has the CPU: each of its GPUs asks for far more than the share of a GPU (the node's CPU over its
GPUs), and without that excess another pod would fit.

Seen by: requests and allocatable, as the scheduler counts them. Limits and use do not matter:
what is requested is gone. No metric is used.

What it costs: the free GPUs of those nodes that the usual pods of the pool could use otherwise.

Told elsewhere: where pods without GPUs have the CPU, or no single excess explains the lack
(stranded-gpu).

When it is wrong: work that truly needs that much CPU beside a GPU (video decoding, simulation).
Then the node is of the wrong type: choose one with more CPU a GPU.

To mend it: lower the request to what is used, or to the share; CPU requests are often copied
from a machine with another number of GPUs.",
    find: |view| {
        let scarce = Scarce {
            resource: "cpu",
            why: Why::Cpu,
            ask: |shape| shape.cpu.0,
            amount: |milli| format!("{} CPU cores", cores(MilliCpu(milli))),
            quantity: |milli| format!("{milli}m"),
        };
        starved::find(view, &SIGN, scarce)
    },
};
