//! Why a record is where it is or is not, the questions that only the person can answer, and taking records apart.

use super::{
    Target,
    client::Client,
    connect::{items, text},
    print,
};
use crate::config::Config;
use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};

/// `syncwell explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// Which record: an id that `syncwell status JOB --records` lists.
    record: String,
    #[command(flatten)]
    target: Target,
}

impl Explain {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let path = format!("/v1/records/{}/explain", self.record);
        let said = Client::during(config, &self.target, async |client| client.get(&path).await).await?;
        if self.target.json {
            return print::json(&said);
        }
        for it in items(&said) {
            print::data(&explained(it));
        }
        Ok(())
    }
}

/// One explanation, for a person.
pub(super) fn explained(it: &Value) -> String {
    let decision = &it["decision"];
    let mut lines = vec![format!(
        "record {} ({}): {} at its destination, version {} of {}",
        text(it, "record"),
        text(it, "data_type"),
        text(it, "state"),
        it["version"],
        it["planned_version"],
    )];
    if it["left"].is_object() {
        let (sentence, step) = (text(&it["left"], "sentence"), text(&it["left"], "next_step"));
        lines.push(format!("  {sentence}; what to do: {step}"));
    }
    if !decision.is_object() {
        lines.push("  it was found there and is not ours: nothing was ever planned for it".into());
        return lines.join("\n");
    }
    lines.push(format!("  why: {}", text(decision, "sentence")));
    lines.push(format!("  decided at {} in sync {}", text(decision, "decided_at"), text(decision, "sync")));
    for (number, source) in items(&it["sources"]).iter().enumerate() {
        let (provider, record, at) = (text(source, "provider"), text(source, "record"), text(source, "source_at"));
        lines.push(format!("  source {}: record {record} of {provider} as of {at}", number + 1));
    }
    lines.extend(items(&decision["fields"]).iter().map(field));
    for candidate in items(&decision["candidates"]) {
        let (record, verdict) = (text(candidate, "record"), text(candidate, "verdict"));
        lines
            .push(format!("  considered {record}: {verdict}, score {:.3}", candidate["score"].as_f64().unwrap_or(0.0)));
        lines.extend(items(&candidate["evidence"]).iter().map(evidence));
    }
    if let Some(answer) = decision["answer"].as_str() {
        lines.push(format!("  the destination said: {answer}"));
    }
    lines.extend(items(&decision["lost"]).iter().filter_map(|it| Some(format!("  not held there: {}", it.as_str()?))));
    lines.push(match text(it, "rederived") {
        "agrees" => "  made again out of the events that it cites, it comes out the same".into(),
        "differs" => "  made again out of the events that it cites, it comes out DIFFERENTLY: report this".into(),
        "other_rules" => "  it was made by another version of the rules".into(),
        _ => "  what it was made of is no longer kept".to_owned(),
    });
    if let Some(total) = it["total"].as_object() {
        let by = total["by"].as_f64().unwrap_or(0.0);
        let share = total["share"].as_f64().map(|it| format!(", which cover {:.0} % of the day", it * 100.0));
        lines.push(format!(
            "  a total of a day: {} with the counts of that day, by {by:+.0}{}",
            total["verdict"].as_str().unwrap_or("?").replace('_', " "),
            share.unwrap_or_default()
        ));
    }
    lines.join("\n")
}

fn field(it: &Value) -> String {
    let device = it["device"].as_str().map(|it| format!(" ({it})")).unwrap_or_default();
    let (offset, duration) = (it["offset_ms"].as_i64().unwrap_or(0), it["duration_ms"].as_i64().unwrap_or(0));
    let stretch = if duration > 0 {
        format!(" from {} s to {} s", offset / 1000, offset.saturating_add(duration) / 1000)
    } else {
        String::new()
    };
    let (rule, note) = (text(it, "rule"), text(it, "note"));
    let rule = if rule.is_empty() { String::new() } else { format!(" by {rule}") };
    let note = if note.is_empty() { String::new() } else { format!(": {note}") };
    format!("  {}{stretch} is the one of {}{device}{rule}{note}", text(it, "field"), text(it, "provider"))
}

fn evidence(it: &Value) -> String {
    let weight = it["weight"].as_f64().unwrap_or(0.0);
    format!("    {weight:+.1} {}: {}", text(it, "feature"), text(it, "detail"))
}

/// `syncwell reviews`.
#[derive(Debug, Args)]
pub struct Reviews {
    /// Which question to answer; without one all are listed.
    #[arg(requires = "verdict")]
    id: Option<String>,
    /// The answer: `same` or `different`; to a question whether something goes, too, `delete` or `keep`.
    #[arg(value_parser = ["same", "different", "delete", "keep"])]
    verdict: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Reviews {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let Some((id, verdict)) = self.id.zip(self.verdict) else {
            let all = Client::during(config, &self.target, async |client| client.get("/v1/reviews").await).await?;
            return list(&all, self.target.json);
        };
        let body = json!({"verdict": verdict});
        let path = format!("/v1/reviews/{id}/answer");
        let answered = post(config, &self.target, &path, &body).await?;
        if self.target.json {
            return print::json(&answered);
        }
        print::data(&format!("{id}: {verdict}"));
        Ok(())
    }
}

fn list(all: &Value, is_json: bool) -> anyhow::Result<()> {
    if is_json {
        return print::json(all);
    }
    let rows: Vec<_> = items(all).iter().map(row).collect();
    if rows.is_empty() {
        print::say(
            "no question: nothing that was read may be two renderings of one thing without being clear, and nothing",
        );
        print::say("is gone that you want to be asked about");
        return Ok(());
    }
    print::data(&print::table(&["question", "asks", "type", "one", "other", "score", "answer"], &rows));
    for it in items(all).iter().filter(|it| it["verdict"].is_null()) {
        if text(it, "question") == "delete" {
            let (provider, id) = (text(&it["sides"][0]["source"], "provider"), text(it, "id"));
            print::say(&format!(
                "{id}: {provider} no longer has it; say whether what was written goes, too: delete or keep"
            ));
            continue;
        }
        print::say(&format!("{}:", text(it, "id")));
        for line in items(&it["evidence"]).iter().map(evidence) {
            print::say(&line);
        }
    }
    Ok(())
}

fn row(it: &Value) -> Vec<String> {
    let side = |number: usize| {
        let Some(side) = it["sides"].get(number) else { return String::from("-") };
        format!("{} {}", text(&side["source"], "provider"), text(&side["record"]["time"], "start"))
    };
    vec![
        text(it, "id").to_owned(),
        text(it, "question").to_owned(),
        text(it, "data_type").to_owned(),
        side(0),
        side(1),
        it["score"].as_f64().map_or_else(|| String::from("-"), |it| format!("{it:.3}")),
        it["verdict"].as_str().unwrap_or("-").to_owned(),
    ]
}

/// `syncwell split`.
#[derive(Debug, Args)]
pub struct Split {
    /// Which record: one that was made of several sources' records.
    record: String,
    /// The connection whose record is to be one of its own; without it, every one but the first.
    #[arg(long)]
    connection: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Split {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let body = self.connection.map_or_else(|| json!({}), |it| json!({"connection": it}));
        let path = format!("/v1/records/{}/split", self.record);
        let answered = post(config, &self.target, &path, &body).await?;
        if self.target.json {
            return print::json(&answered);
        }
        print::data(&format!("{} is taken apart, and stays so", self.record));
        for it in items(&answered["reviews"]) {
            print::say(&format!("to put it together again: syncwell reviews {} same", text(it, "id")));
        }
        Ok(())
    }
}

/// Posts an answer, and waits until the records were decided again.
async fn post(config: &Config, target: &Target, path: &str, body: &Value) -> anyhow::Result<Value> {
    Client::during(config, target, async |client| {
        let answered = client.post(path, body).await?;
        for job in items(&answered["jobs"]) {
            let Some(job) = job.as_str() else { bail!("SyncWell answered without saying which jobs it began") };
            client.settled(job, |_| {}).await?;
        }
        Ok(answered)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::row;
    use serde_json::json;

    #[test]
    fn a_question_is_a_line_with_what_it_asks() {
        let side = json!({"source": {"provider": "strava"}, "record": {"time": {"start": "2026-06-20T06:00:00Z"}}});
        let of = |question: &str, sides: &[&serde_json::Value], score: Option<f64>| {
            row(&json!({"id": "1", "question": question, "data_type": "workout", "sides": sides, "score": score}))
        };
        let at = "strava 2026-06-20T06:00:00Z";
        assert_eq!(
            of("same_record", &[&side, &side], Some(0.5)),
            ["1", "same_record", "workout", at, at, "0.500", "-"]
        );
        assert_eq!(of("delete", &[&side], None), ["1", "delete", "workout", at, "-", "-", "-"]);
    }
}
