//! What only follows gets what the flow gets, and never holds it up.

use super::*;
use schemas::{
    data_type::DataType,
    event::{Action, Analytics},
};

/// How a follower is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    Away,
    Panics,
    Rejects,
    Puts,
}

/// Tells of every page, if it is well.
#[derive(Clone, Debug)]
struct Tell {
    mood: Arc<Mutex<Mood>>,
    met: Arc<Mutex<Vec<EventId>>>,
}

impl Stage for Tell {
    type In = Fetched;
    type Out = Analytics;
    const NAME: &'static str = "tell";
    const AT_ONCE: usize = 1;
    const FOLLOWS: bool = true;

    async fn process(&self, input: &Envelope<Fetched>) -> Result<Answer<Fetched, Analytics>, Unreachable> {
        let mood = *self.mood.lock().unwrap();
        self.met.lock().unwrap().push(input.head.id);
        match mood {
            Mood::Well => {
                let head = Head { subject: Subject("pseudonym".into()), ..input.head.derive(Self::NAME, 0, T0) };
                let (epoch, provider) = ("2026-Q2".to_owned(), "watch".to_owned());
                let body = Analytics::bare(epoch, "record".into(), Action::Create, DataType::Weight, provider);
                Ok(Answer::Made(Made::only(vec![Envelope { head, body }])))
            }
            Mood::Away => Err(Unreachable("the follower's own server is away".into())),
            Mood::Panics => panic!("a bug of the follower"),
            Mood::Rejects => Ok(Answer::Reject(Reason::Unsupported)),
            Mood::Puts => Ok(Answer::Later(Later { at: Some(T0.plus(Duration::from_secs(60))), gives_up: None })),
        }
    }
}

/// A follower beside the flow.
fn follow(bench: &Bench, tell: &Tell) -> Running {
    let (runner, (stop, stopped)) = (bench.runner(), watch::channel(false));
    let topology = Topology::from_all(Lane::ALL.map(topics::fetched))
        .then(tell.clone(), topics::ANALYTICS)
        .rejecting_to(topics::REJECTED);
    Running(tokio::spawn(async move { runner.run(&topology, stopped).await }), stop)
}

fn pages(log: &[(EventId, TopicName, Vec<u8>)]) -> Vec<EventId> {
    log.iter().filter(|it| it.1.kind == Kind::Fetched).map(|it| it.0).collect()
}

async fn told(bench: &Bench) -> Vec<Subject> {
    let held = bench.bus.held(topics::ANALYTICS.name).await.unwrap().unwrap();
    let mut found = Vec::new();
    for (partition, held) in (0..).zip(held) {
        for (_, bytes) in bench.bus.read(topics::ANALYTICS.name, partition, held).await.unwrap().unwrap() {
            found.push(codec::decode::<Envelope<Analytics>>(&bytes).unwrap().head.subject);
        }
    }
    found
}

#[tokio::test]
async fn a_follower_gets_every_event_and_whatever_it_does_the_flow_goes_on() {
    let (expected, _) = run_with(&[], false).await;
    let mut wanted = pages(&expected);
    wanted.sort();
    for mood in [Mood::Well, Mood::Away, Mood::Panics, Mood::Rejects, Mood::Puts] {
        let bench = Bench::new();
        let tell = Tell { mood: Arc::new(Mutex::new(mood)), met: Arc::default() };
        bench.accept(sync(1)).await;
        let _running = (bench.start(), follow(&bench, &tell));
        let over = async || bench.is_over(sync(1)).await && bench.is_over(child(sync(1))).await;
        bench.until("the sync is over", over).await;
        let met = || {
            let mut met = tell.met.lock().unwrap().clone();
            met.sort();
            met.dedup();
            met
        };
        let of_flow = |log: Vec<(EventId, TopicName, Vec<u8>)>| -> Vec<_> {
            log.into_iter().filter(|it| it.1.kind != Kind::Rejected).collect()
        };
        assert_eq!(of_flow(bench.log().await), expected, "{mood:?}: the flow's log is what it is without a follower");
        if mood == Mood::Away {
            assert_eq!(told(&bench).await, [], "while it is away nothing is told");
            *tell.mood.lock().unwrap() = Mood::Well;
        }
        bench.until("it has met all", async || met() == wanted).await;
        bench.until("all is acknowledged", async || bench.bus.backlog().count == 0).await;
        let n_told = if matches!(mood, Mood::Well | Mood::Away) { wanted.len() } else { 0 };
        assert_eq!(told(&bench).await, vec![Subject("pseudonym".into()); n_told], "{mood:?}");
        assert_eq!(of_flow(bench.log().await), expected, "{mood:?}: and stays so");
    }
}

#[tokio::test]
async fn the_flow_goes_on_without_its_follower_and_after_it_has_gone() {
    let (expected, _) = run_with(&[], false).await;
    let bench = Bench::new();
    let tell = Tell { mood: Arc::new(Mutex::new(Mood::Well)), met: Arc::default() };
    // It joins, and goes: what comes then waits for it, and nothing else does.
    let following = follow(&bench, &tell);
    tokio::task::yield_now().await;
    following.die().await;
    bench.accept(sync(1)).await;
    let _running = bench.start();
    let over = async || bench.is_over(sync(1)).await && bench.is_over(child(sync(1))).await;
    bench.until("the sync is over", over).await;
    assert_eq!(bench.log().await, expected);
    let _following = follow(&bench, &tell);
    bench.until("it has met all", async || tell.met.lock().unwrap().len() == pages(&expected).len()).await;
}
