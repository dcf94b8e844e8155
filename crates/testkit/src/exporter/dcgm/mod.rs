//! The DCGM exporter of a node, in both of its dialects.
//!
//! Names, units, labels and help texts are those of dcgm-exporter's default counter list (4.8.2) and of its renamed fields (4.9);
//! which families a MIG slice has is as in published bodies of the exporter.
//!
//! - `counters`: the table of metrics
//! - [`devices`]: from a node and its pods to devices with holders

mod counters;
mod devices;

pub use devices::{devices, uuid};

use super::{Family, Load, Page, Sample};
use counters::{COUNTERS, Counter, Reading, Rows};
use plimsoll_fleet::{Bytes, Timestamp, evidence::Dialect, evidence::SliceId};
use std::sync::Arc;

/// A pod that holds a device for a while, and what it does with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Holder {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container that was given the device.
    pub container: String,
    /// What it does with the device.
    pub load: Load,
    /// Since when it has held the device; none: always.
    pub from: Option<Timestamp>,
    /// When it let go; none: it has not.
    pub until: Option<Timestamp>,
}

/// A GPU, or one MIG slice of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// The GPU's index on its node.
    pub gpu: u16,
    /// The GPU's UUID, also on its slices.
    pub uuid: String,
    /// The driver's product name: `NVIDIA A100-SXM4-80GB`.
    pub model: String,
    /// Memory of the GPU, or of the slice.
    pub memory: Bytes,
    /// The slice; none: the whole GPU.
    pub slice: Option<SliceId>,
    /// Who holds it. Several: it is shared, or it went from hand to hand.
    pub holders: Vec<Holder>,
}

impl Device {
    fn holders_at(&self, at: Timestamp) -> impl Iterator<Item = &Holder> {
        self.holders.iter().filter(move |holder| holder.from.is_none_or(|from| from <= at) && holder.until.is_none_or(|until| at < until))
    }

    /// What the device as a whole does: its holders together, at most all of it.
    fn reading(&self, at: Timestamp) -> Reading {
        Reading::of(self.holders_at(at).map(|holder| &holder.load), self.memory, at)
    }
}

/// A DCGM exporter.
#[derive(Debug, Clone)]
pub struct Dcgm {
    /// The `Hostname` (`hostname`) label: the node's name, or the exporter pod's where it was not told the node's.
    pub hostname: String,
    /// The node's devices.
    pub devices: Vec<Device>,
    /// Which names and units it speaks.
    pub dialect: Dialect,
    /// Is `PROF_SM_ACTIVE` in its counter list? By default it is not.
    pub sm_active: bool,
    /// Are there profiling metrics at all? They need a privilege.
    pub profiling: bool,
    /// Are the pod labels filled in? Without the Kubernetes mapping they are empty.
    pub pod_labels: bool,
    /// `--kubernetes-virtual-gpus`: a series for each pod of a shared device.
    pub virtual_gpus: bool,
}

impl Dcgm {
    /// The exporter of `hostname` as the charts install it.
    #[must_use]
    pub fn new(hostname: &str, devices: Vec<Device>, dialect: Dialect) -> Self {
        Self { hostname: hostname.to_owned(), devices, dialect, sm_active: false, profiling: true, pod_labels: true, virtual_gpus: false }
    }

    /// Its page.
    #[must_use]
    pub fn page(self) -> Page {
        Arc::new(move |at| COUNTERS.iter().filter(|counter| self.lists(counter)).map(|counter| self.family(counter, at)).collect())
    }

    /// Does it collect this metric?
    fn lists(&self, counter: &Counter) -> bool {
        let profiling = counter.old.starts_with("DCGM_FI_PROF_");
        match counter.old {
            "DCGM_FI_PROF_SM_ACTIVE" => self.profiling && self.sm_active,
            // Off in the old default list, on in the new one.
            "DCGM_FI_DEV_FB_TOTAL" => self.dialect == Dialect::BaseUnits,
            _ => self.profiling || !profiling,
        }
    }

    fn family(&self, counter: &Counter, at: Timestamp) -> Family {
        let (name, help, factor) = match self.dialect {
            Dialect::Classic => (counter.old, counter.help, 1.0),
            Dialect::BaseUnits => (counter.new, counter.new_help, counter.factor),
        };
        let mut samples = Vec::new();
        for device in &self.devices {
            if device.slice.is_some() && counter.rows == Rows::WholeOnly {
                continue;
            }
            let mut row = |holder: Option<&Holder>, share: Option<usize>, reading: &Reading| {
                let value = (counter.value)(reading) * factor;
                // Ratios of the base-unit dialect are made of whole percents, so cut what the multiplication leaves behind.
                let value = (value * 1e6).round() / 1e6;
                samples.push(Sample { suffix: "", labels: self.labels(device, holder, share), value });
            };
            let holders: Vec<&Holder> = device.holders_at(at).collect();
            let whole = device.reading(at);
            if !self.virtual_gpus || holders.is_empty() {
                // Without virtual GPUs one of the pods wins the labels.
                row(holders.first().copied(), None, &whole);
                continue;
            }
            let per_process = matches!(counter.old, "DCGM_FI_DEV_GPU_UTIL" | "DCGM_FI_DEV_FB_USED");
            if per_process {
                row(None, None, &whole);
            }
            for (share, holder) in holders.into_iter().enumerate() {
                let own = Reading::of([&holder.load].into_iter(), device.memory, at);
                row(Some(holder), Some(share), if per_process { &own } else { &whole });
            }
        }
        Family { name: name.to_owned(), help: help.to_owned(), kind: counter.kind, history: counter.history, samples }
    }

    fn labels(&self, device: &Device, holder: Option<&Holder>, share: Option<usize>) -> Vec<(&'static str, String)> {
        let mut labels = vec![
            ("gpu", device.gpu.to_string()),
            ("UUID", device.uuid.clone()),
            ("pci_bus_id", format!("00000000:{:02X}:00.0", device.gpu + 0x10)),
            ("device", format!("nvidia{}", device.gpu)),
            ("modelName", device.model.clone()),
        ];
        if let Some(slice) = &device.slice {
            labels.push(("GPU_I_PROFILE", slice.profile.to_string()));
            labels.push(("GPU_I_ID", slice.instance.to_string()));
        }
        let (hostname, version, driver) = match self.dialect {
            Dialect::Classic => ("Hostname", "DCGM_FI_DRIVER_VERSION", "570.133.20"),
            Dialect::BaseUnits => ("hostname", "DCGM_FI_SYSTEM_DRIVER_VERSION", "595.91.07"),
        };
        labels.push((hostname, self.hostname.clone()));
        labels.push((version, driver.to_owned()));
        let named = holder.filter(|_| self.pod_labels);
        let text = |of: fn(&Holder) -> &String| named.map(of).cloned().unwrap_or_default();
        labels.push(("container", text(|holder| &holder.container)));
        labels.push(("namespace", text(|holder| &holder.namespace)));
        labels.push(("pod", text(|holder| &holder.pod)));
        if let Some(share) = share {
            labels.push(("vgpu", share.to_string()));
        }
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporter::text;

    fn holder(pod: &str, load: Load) -> Holder {
        Holder { namespace: "ml".into(), pod: pod.into(), container: "main".into(), load, from: None, until: None }
    }

    fn device(holders: Vec<Holder>) -> Device {
        Device { gpu: 0, uuid: uuid("n1", 0), model: "NVIDIA A100-SXM4-80GB".into(), memory: Bytes::from_mib(81_920), slice: None, holders }
    }

    fn lines(exporter: Dcgm, name: &str) -> Vec<String> {
        let start = format!("{name}{{");
        text(&exporter.page(), Timestamp(0)).lines().filter(|line| line.starts_with(&start)).map(str::to_owned).collect()
    }

    /// The same GPU in both dialects: percent and MiB beside ratio and bytes.
    #[test]
    fn the_dialects_say_the_same_in_their_units() {
        let exporter = |dialect| Dcgm::new("n1", vec![device(vec![holder("p", Load::small(0.37, 0.25))])], dialect);
        let value = |dialect, name: &str| {
            let lines = lines(exporter(dialect), name);
            assert_eq!(lines.len(), 1, "{name}");
            lines[0].rsplit(' ').next().map(str::to_owned)
        };
        assert_eq!(value(Dialect::Classic, "DCGM_FI_DEV_GPU_UTIL").as_deref(), Some("37"));
        assert_eq!(value(Dialect::BaseUnits, "DCGM_FI_DEV_GPU_UTIL_RATIO").as_deref(), Some("0.37"));
        assert_eq!(value(Dialect::Classic, "DCGM_FI_DEV_FB_USED").as_deref(), Some("20480"));
        assert_eq!(value(Dialect::BaseUnits, "DCGM_FI_DEV_FB_USED_BYTES").as_deref(), Some("21474836480"));
    }

    /// GPU_UTIL of a shared GPU is given per process, and the device's own row stays; everything else is a copy for each pod.
    #[test]
    fn virtual_gpus_copy_the_device_but_for_two_metrics() {
        let shared = device(vec![holder("a", Load::small(0.3, 0.1)), holder("b", Load::idle())]);
        let exporter = Dcgm { virtual_gpus: true, ..Dcgm::new("n1", vec![shared], Dialect::Classic) };
        let util = lines(exporter.clone(), "DCGM_FI_DEV_GPU_UTIL");
        assert_eq!(util.iter().map(|line| line.rsplit(' ').next().unwrap_or_default()).collect::<Vec<_>>(), ["30", "30", "0"]);
        let engine = lines(exporter, "DCGM_FI_PROF_GR_ENGINE_ACTIVE");
        assert_eq!(engine.iter().map(|line| line.rsplit(' ').next().unwrap_or_default()).collect::<Vec<_>>(), ["0.3", "0.3"]);
        assert!(engine[1].contains("pod=\"b\",vgpu=\"1\""), "{}", engine[1]);
    }
}
