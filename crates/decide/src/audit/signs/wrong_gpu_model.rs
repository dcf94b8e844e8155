//! `wrong-gpu-model`: a big board for a small need, beside smaller boards that would do.

use super::{
    Sign, Threshold, fix,
    need::{self, Need},
    words::{self, Figure},
};
use crate::audit::{
    finding::{Confidence, Finding, Fix},
    view::{Holder, Judged, View},
};
use plimsoll_fleet::{
    Bytes, Metric, MilliGpu, MoneyPerHour, Name, PodId, Ratio,
    catalogue::{self, GpuModel},
    node::Sharing,
    resource::Vendor,
};
use serde_json::json;

pub(super) static SIGN: Sign = Sign {
    name: "wrong-gpu-model",
    title: "A big GPU is held by work that fits a cheaper model of the same cluster",
    threshold: Some(Threshold { default: 0.7, unit: "ratio", says: "how far the smaller GPU may be filled at the 95th percentile" }),
    explain: "\
A pod holds one whole GPU of a big model, and its memory, compute and memory bandwidth would fit
a smaller model that this cluster has already, for less money.

Seen by: the greatest memory held (FB_USED) and 15 % on top; the 95th percentile of SM activity
times the SMs of the board (engine activity, its upper bound, where SM activity is not
collected); the 95th percentile of DRAM activity times the board's bandwidth. Each must stay
below the threshold on the smaller board (memory: fit). SMs of different generations are counted
alike, so look before you move.

Flagged only where the prices of both nodes are known, and only against models that whole GPUs
of nodes here have and that are smaller: no more memory, and not more of both SMs and bandwidth
(a bigger board that happens to be cheaper is a matter of prices). What it costs is the
difference between the two prices a GPU.

Not judged: training, pods with several GPUs, servers that fill the memory whatever they need
(vLLM, SGLang, TGI, TensorFlow), idle pods, workloads of which one pod would not fit or was not
seen.

When it is wrong: work that needs what the smaller model lacks (FP8, NVLink, ECC, double
precision), or a latency that only the faster board gives.

See whole-gpu-for-a-slice for the other cure; take one of the two. To mend it: select the
smaller model.",
    find,
};

/// A model that whole GPUs of the cluster have, at its lowest price a GPU.
struct Offer<'a> {
    product: &'a Name,
    model: &'static GpuModel,
    memory: Bytes,
    price: MoneyPerHour,
}

fn find(view: &View<'_>) -> Vec<Finding> {
    let offers = offers(view);
    view.holders().filter_map(|(holder, pods)| judge(view, &offers, holder, pods)).collect()
}

/// The cheapest first.
fn offers<'a>(view: &View<'a>) -> Vec<Offer<'a>> {
    let mut offers: Vec<Offer<'a>> = Vec::new();
    for (id, node) in view.fleet.nodes() {
        let whole = node.sharing == Sharing::Whole && node.takes_pods() && node.vendor == Some(Vendor::Nvidia) && node.has_gpus();
        let (Some(product), Some(memory), Some(price)) = (&node.gpu_product, node.gpu_memory, view.price_of(id, MilliGpu::ONE)) else {
            continue;
        };
        let Some(model) = catalogue::find(product, Some(memory)).filter(|_| whole) else { continue };
        match offers.iter_mut().find(|offer| offer.product == product && offer.memory == memory) {
            Some(offer) => offer.price = offer.price.min(price),
            None => offers.push(Offer { product, model, memory, price }),
        }
    }
    offers.sort_by(|a, b| a.price.cmp(&b.price).then_with(|| a.product.cmp(b.product)).then_with(|| a.memory.cmp(&b.memory)));
    offers
}

fn judge(view: &View<'_>, offers: &[Offer<'_>], holder: Holder, pods: &[PodId]) -> Option<Finding> {
    let most = view.threshold(&SIGN);
    // One model for all pods, because they have one template; the cheapest that is cheaper than what every pod has.
    let (offer, fits) =
        offers.iter().find_map(|offer| Some((offer, need::of_all(view, holder, pods, |needs| fit(view, offer, needs, most))?)))?;
    let confidence = fits.iter().map(|(_, confidence, _)| *confidence).min()?;
    let (need, _, price) = fits.iter().max_by(|a, b| a.0.compute.total_cmp(&b.0.compute).then_with(|| a.0.memory.cmp(&b.0.memory)))?;
    let node = view.node(need.node);
    let product = node.gpu_product.as_deref().unwrap_or("GPU");
    let judged = Judged {
        says: format!(
            "{} {} a {product}{} and {} at most {} of memory (15 % margin in it) and {} of its SMs (p95): {} would do, for {} instead of {} an hour a GPU",
            words::count(pods.len(), "pod"),
            words::verb(pods.len(), "holds", "hold"),
            words::verb(pods.len(), "", " each"),
            words::verb(pods.len(), "needs", "need"),
            words::gib(need.memory.0 as f64),
            words::percent(need.compute),
            offer.product,
            words::trim(offer.price.units()),
            words::trim(price.units()),
        ),
        waste: view.part_of(pods, |pod| {
            let at = pods.iter().position(|&each| each == pod);
            at.map_or(Ratio::ZERO, |at| Ratio::of(offer.price.units(), fits[at].2.units()).rest())
        }),
        confidence,
        evidence: words::facts(
            view,
            pods,
            &[(Metric::MemoryUsed, Figure::Peak), (need.metric, Figure::P95), (Metric::DramActive, Figure::P95)],
        ),
        fix: Fix {
            says: format!("Run it on {}, after a look at its latency there.", offer.product),
            action: fix::template(view, holder, json!({ "nodeSelector": { "nvidia.com/gpu.product": &**offer.product } })),
        },
    };
    Some(view.on_holder(&SIGN, holder, judged))
}

/// Does the pod fit the offered model, and what does its own GPU cost an hour? By the surest of its figures by which it does; by the
/// first of them (SM activity, if it was seen) it must.
fn fit(view: &View<'_>, offer: &Offer<'_>, needs: &[Need], most: f64) -> Option<(Need, Confidence, MoneyPerHour)> {
    let fit = |need: &Need| {
        let node = view.node(need.node);
        let price = view.price_of(need.node, MilliGpu::ONE)?;
        let model = catalogue::find(node.gpu_product.as_deref()?, node.gpu_memory)?;
        let enough = |used: f64, has: Option<f64>, offered: Option<f64>| Some(used * has? <= most * offered?);
        let sms: fn(&GpuModel) -> Option<f64> = |model| model.sm_count().map(f64::from);
        let bandwidth: fn(&GpuModel) -> Option<f64> = |model| model.bandwidth_gb_per_s.as_ref().map(|known| f64::from(known.value));
        let more = |figure: fn(&GpuModel) -> Option<f64>| Some(figure(offer.model)? > figure(model)?);
        let bigger = offer.memory > node.gpu_memory? || more(sms)? && more(bandwidth)?;
        let fits = offer.price < price
            && offer.model.name != model.name
            && !bigger
            && need.memory <= offer.memory
            && enough(need.compute, sms(model), sms(offer.model))?
            && enough(need.bandwidth, bandwidth(model), bandwidth(offer.model))?;
        fits.then_some((*need, need.confidence.min(Confidence::Medium), price))
    };
    let (first, others) = needs.split_first()?;
    let first = fit(first)?;
    Some(others.iter().filter_map(fit).fold(first, |best, each| if each.1 > best.1 { each } else { best }))
}
