//! The frame of a FIT file: header, checksum, definitions and message lengths (Garmin FIT SDK, "FIT Protocol").
//!
//! The parser behind it trusts headers and definitions, prints to the terminal and can overflow on developer fields.
//! So they are checked here first, and it is given a stream that cannot lead it astray: whole messages only, fields
//! whose size fits their type, no developer fields (nothing that we read is one).

/// The most messages that are read of one file.
const MESSAGES_MAX: usize = 2_000_000;

/// One file of a chain (several FIT files may follow each other in one).
#[derive(Debug)]
pub(super) struct Frame {
    /// Header and whole messages, checked.
    pub(super) clean: Vec<u8>,
    /// How many data messages are in it.
    pub(super) n_messages: usize,
    /// What is wrong with it.
    pub(super) damage: Option<Damage>,
}

/// What is wrong with a file. The messages before it are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// It ends before its data do.
    Truncated {
        /// Where the last whole message ends.
        at: usize,
    },
    /// Its bytes are not the ones that its checksum was made of.
    BadChecksum,
    /// What is there cannot be a message.
    Malformed {
        /// Where.
        at: usize,
    },
    /// It has more messages than any recording.
    TooLong,
}

/// Whether a FIT header is at the start of these bytes.
pub(super) fn is_header(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|it| *it >= 12) && bytes.get(8..12) == Some(b".FIT")
}

/// The files of a chain, in order; what follows the last one and is no FIT file is left out and told as the place
/// where it begins.
pub(super) fn frames(bytes: &[u8]) -> (Vec<Frame>, Option<usize>) {
    let mut frames = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if !is_header(bytes.get(at..).unwrap_or_default()) {
            return (frames, Some(at));
        }
        let (frame, end) = frame(bytes, at);
        at = end;
        frames.push(frame);
    }
    (frames, None)
}

/// The header that the parser is given: no checksum, and an end that is never reached.
const HEADER: [u8; 14] = [14, 0x20, 0, 0, 0xff, 0xff, 0xff, 0xff, b'.', b'F', b'I', b'T', 0, 0];

fn frame(bytes: &[u8], start: usize) -> (Frame, usize) {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let data_start = start + usize::from(byte(start));
    let n_data = u32::from_le_bytes([byte(start + 4), byte(start + 5), byte(start + 6), byte(start + 7)]) as usize;
    // A recorder that was cut off has not yet written how much there is.
    let data_end = if n_data == 0 { bytes.len() } else { data_start.saturating_add(n_data) };
    let data = bytes.get(data_start.min(bytes.len())..data_end.min(bytes.len())).unwrap_or_default();
    let mut walk = Walk { data, at: 0, clean: HEADER.to_vec(), definitions: Default::default(), n_messages: 0 };
    let mut damage = walk.run().map(|it| match it {
        Damage::Truncated { at } => Damage::Truncated { at: data_start + at },
        Damage::Malformed { at } => Damage::Malformed { at: data_start + at },
        other => other,
    });
    let checksum = bytes.get(data_end..).and_then(|it| it.first_chunk::<2>());
    if damage.is_none() {
        damage = match checksum {
            _ if n_data == 0 => Some(Damage::Truncated { at: bytes.len() }),
            None => Some(Damage::Truncated { at: data_end.min(bytes.len()) }),
            Some(sum) => {
                let computed = crc(bytes.get(start..data_end).unwrap_or_default());
                (u16::from_le_bytes(*sum) != computed).then_some(Damage::BadChecksum)
            }
        };
    }
    let n_messages = walk.n_messages;
    (Frame { clean: walk.clean, n_messages, damage }, data_end.saturating_add(2).min(bytes.len()))
}

/// What a definition says of the messages that follow it.
#[derive(Clone, Copy, Debug)]
struct Definition {
    n_fields_bytes: usize,
    n_developer_bytes: usize,
}

struct Walk<'a> {
    data: &'a [u8],
    at: usize,
    clean: Vec<u8>,
    definitions: [Option<Definition>; 16],
    n_messages: usize,
}

impl Walk<'_> {
    fn run(&mut self) -> Option<Damage> {
        while let Some(header) = self.data.get(self.at).copied() {
            if self.n_messages >= MESSAGES_MAX {
                return Some(Damage::TooLong);
            }
            let step = match header {
                0x80.. => self.message(header, (header >> 5) & 0x3),
                0x40..0x80 => self.definition(header),
                _ => self.message(header, header & 0xf),
            };
            match step {
                Ok(n_bytes) => self.at += n_bytes,
                Err(damage) => return Some(damage),
            }
        }
        None
    }

    fn message(&mut self, header: u8, local: u8) -> Result<usize, Damage> {
        let definition = self.definitions.get(usize::from(local)).copied().flatten();
        let definition = definition.ok_or(Damage::Malformed { at: self.at })?;
        let n_bytes = 1 + definition.n_fields_bytes + definition.n_developer_bytes;
        let whole = self.data.get(self.at..self.at + n_bytes).ok_or(Damage::Truncated { at: self.at })?;
        self.clean.push(header);
        self.clean.extend_from_slice(whole.get(1..=definition.n_fields_bytes).unwrap_or_default());
        self.n_messages += 1;
        Ok(n_bytes)
    }

    fn definition(&mut self, header: u8) -> Result<usize, Damage> {
        let truncated = Damage::Truncated { at: self.at };
        let rest = self.data.get(self.at..).unwrap_or_default();
        let n_fields = usize::from(*rest.get(5).ok_or(truncated)?);
        let fields = rest.get(6..6 + n_fields * 3).ok_or(truncated)?;
        let mut n_bytes = 6 + n_fields * 3;
        let mut definition = Definition { n_fields_bytes: 0, n_developer_bytes: 0 };
        let mut kept = Vec::with_capacity(fields.len());
        for field in fields.as_chunks::<3>().0 {
            let [number, size, base_type] = *field;
            definition.n_fields_bytes += usize::from(size);
            if size > 0 {
                kept.extend_from_slice(&[number, size, if fits(size, base_type) { base_type } else { BYTE }]);
            }
        }
        if header & 0x20 != 0 {
            let n_developer = usize::from(*rest.get(n_bytes).ok_or(truncated)?);
            let fields = rest.get(n_bytes + 1..n_bytes + 1 + n_developer * 3).ok_or(truncated)?;
            definition.n_developer_bytes = fields.as_chunks::<3>().0.iter().map(|it| usize::from(it[1])).sum();
            n_bytes += 1 + n_developer * 3;
        }
        self.clean.push(header & !0x20);
        self.clean.extend_from_slice(rest.get(1..5).unwrap_or_default());
        self.clean.push(u8::try_from(kept.len() / 3).unwrap_or(u8::MAX));
        self.clean.extend_from_slice(&kept);
        if let Some(slot) = self.definitions.get_mut(usize::from(header & 0xf)) {
            *slot = Some(definition);
        }
        Ok(n_bytes)
    }
}

const BYTE: u8 = 0x0d;

/// Whether a field of that size holds whole values of that base type.
fn fits(size: u8, base_type: u8) -> bool {
    let n_bytes = match base_type & 0x1f {
        0x03 | 0x04 | 0x0b => 2,
        0x05 | 0x06 | 0x08 | 0x0c => 4,
        0x09 | 0x0e..=0x10 => 8,
        _ => 1,
    };
    size.is_multiple_of(n_bytes)
}

/// The checksum of the FIT protocol (Garmin FIT SDK, "CRC").
fn crc(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 16] = [
        0x0000, 0xcc01, 0xd801, 0x1400, 0xf001, 0x3c00, 0x2800, 0xe401, 0xa001, 0x6c00, 0x7800, 0xb401, 0x5000, 0x9c01,
        0x8801, 0x4400,
    ];
    let nibble = |crc: u16, it: u8| (crc >> 4) ^ TABLE[usize::from(crc & 0xf)] ^ TABLE[usize::from(it & 0xf)];
    bytes.iter().fold(0, |crc, byte| nibble(nibble(crc, *byte), byte >> 4))
}
