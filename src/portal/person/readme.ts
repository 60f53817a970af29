/** What lies beside a person's data: what each file is, and how to check it. Plain text, one file a language. */
import type { PortalSettings } from '../ports.ts'

interface Log {
  readonly vkeys: readonly string[]
}

export function readmeFr({ name, contact, address }: PortalSettings['operator'], { vkeys }: Log): string {
  return `VOS DONNÉES
===========

Ce fichier contient tout ce que cette passerelle garde de vos autorisations (RGPD, articles 15 et 20).
Passerelle tenue par : ${name}, ${address}. Contact : ${contact}.

Pour chaque autorisation, un dossier permissions/<identifiant> :
  record.json         l'autorisation telle qu'elle est gardée
  record.jsonld       la même, dans la forme ISO/IEC TS 27560 (si le service est encore connu ici)
  receipt.jsonld      le reçu établi quand elle a été donnée (absent si elle vient d'un autre support)
  acts.json           les actes : donnée, suspendue, retirée…
  documents/          les justificatifs
  accesses.csv, .json qui a lu, quand, quels jours demandés et transmis, le résultat ; les refus aussi
  entries/N.json              chaque inscription du journal, octet pour octet
  entries/N.disclosures.json  ce que l'inscription ne garde que sous forme d'empreintes ; N.fields.txt pour le lire
  entries/N.tlog-proof        la preuve que l'inscription est dans le journal signé
                              (absente pour une inscription plus récente que la dernière signature)

Les jours sont écrits debut/fin, la fin n'étant pas comprise. Les heures sont en temps universel (Z).
Les relevés eux-mêmes ne sont pas ici : la passerelle ne les garde pas.

VÉRIFIER
--------
Dans le dossier décompressé, avec python3 et openssl :

  python3 verify.py ${vkeys.map((vkey) => `--vkey '${vkey}'`).join(' ')} .

Demandez la clé de chaque journal par une autre voie que ce fichier.
Vous pouvez vous plaindre auprès de la CNIL : https://www.cnil.fr
`
}

export function readmeEn({ name, contact, address }: PortalSettings['operator'], { vkeys }: Log): string {
  return `YOUR DATA
=========

This file holds everything that this gate keeps about your permissions (GDPR, articles 15 and 20).
The gate is run by: ${name}, ${address}. Contact: ${contact}.

For each permission a folder permissions/<id>:
  record.json         the permission as it is kept
  record.jsonld       the same in the form of ISO/IEC TS 27560 (if the service is still known here)
  receipt.jsonld      the receipt made when it was given (absent if it came by another way)
  acts.json           the acts: given, suspended, withdrawn…
  documents/          the supporting documents
  accesses.csv, .json who read, when, which days were asked for and passed on, the result; refusals too
  entries/N.json              each entry of the log, byte for byte
  entries/N.disclosures.json  what the entry keeps as fingerprints only; N.fields.txt to read it
  entries/N.tlog-proof        the proof that the entry is in the signed log
                              (absent for an entry newer than the last signature)

Days are written from/until, without the last. Times are universal time (Z).
The readings themselves are not here: the gate does not keep them.

CHECK IT
--------
In the unpacked folder, with python3 and openssl:

  python3 verify.py ${vkeys.map((vkey) => `--vkey '${vkey}'`).join(' ')} .

Get the key of each log by another way than this file.
You may complain to the CNIL: https://www.cnil.fr
`
}
